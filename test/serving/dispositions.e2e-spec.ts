import { Controller, Get, Param } from '@nestjs/common';
import {
  InjectStorage,
  type PutOptions,
  ServedFile,
  type ServedFileOptions,
  Storage,
} from '../../lib/index.js';
import { closeApps } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { ADAPTERS } from './adapters.js';
import { SAFE_HEADERS } from './safe-headers.js';
import { servingOn } from './serving-fixture.js';

afterEach(closeApps);

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  const serve = servingOn(adapter);

  describe('how a browser treats the file', () => {
    test.each([
      ['photo.png', 'image/png', 'inline'],
      ['notes.txt', 'text/plain', 'inline'],
      ['page.html', 'text/html', 'attachment'],
      ['page.html', 'TEXT/HTML; charset=utf-8', 'attachment'],
      ['drawing.svg', 'image/svg+xml', 'attachment'],
      ['feed.xml', 'application/xml', 'attachment'],
      ['page.xhtml', 'application/xhtml+xml', 'attachment'],
      ['script.js', 'text/javascript', 'attachment'],
      ['style.css', 'text/css', 'attachment'],
      ['paper.pdf', 'application/pdf', 'attachment'],
      ['data.bin', 'application/octet-stream', 'attachment'],
      ['odd.xml', 'video/x+xml', 'attachment'],
    ])('%s of type %s is %s', async (name, contentType, disposition) => {
      const { port, put } = await serve();
      await put(name, 'x', { contentType });
      const { headers } = await send(port, `/files/${name}`);
      expect(headers['content-disposition']).toBe(`${disposition}; filename="${name}"`);
      expect(headers).toMatchObject(SAFE_HEADERS);
    });

    test.each([
      ['clip.mp4', 'video/mp4'],
      ['song.mp3', 'audio/mpeg'],
    ])('%s is played, in a page that runs nothing', async (name, contentType) => {
      const { port, put } = await serve();
      await put(name, 'x', { contentType });
      const shown = (await send(port, `/files/${name}`)).headers;
      expect(shown['content-disposition']).toBe(`inline; filename="${name}"`);
      expect(shown).toMatchObject({
        ...SAFE_HEADERS,
        'content-security-policy':
          "default-src 'none'; style-src 'unsafe-inline'; media-src 'self'; sandbox allow-same-origin",
      });
      expect((await send(port, `/files/${name}?save=a`)).headers).toMatchObject(SAFE_HEADERS);
    });

    @Controller()
    class InlineController {
      constructor(@InjectStorage() private readonly files: Storage) {}
      @Get('inline/:key')
      inline(@Param('key') key: string): ServedFile {
        return new ServedFile(this.files, key, {
          disposition: 'inline',
          crossOrigin: 'cross-origin',
        });
      }
    }

    test('html is not inline even when the app says so', async () => {
      const { port, put } = await serve(undefined, { controllers: [InlineController] });
      await put('a.html', '<script>');
      const { headers } = await send(port, '/inline/a.html');
      expect(headers['content-disposition']).toMatch(/^attachment/);
      expect(headers['cross-origin-resource-policy']).toBe('cross-origin');
    });

    test('the name is the uploaded one, else the end of the key', async () => {
      const { port, put } = await serve();
      await put('a/b/c.png', 'x');
      await put('d.png', 'x', { metadata: { filename: 'Zürich.png' } });
      expect((await send(port, '/files/a%2Fb%2Fc.png')).headers['content-disposition']).toBe(
        'inline; filename="c.png"',
      );
      expect((await send(port, '/files/d.png')).headers['content-disposition']).toBe(
        `inline; filename="Z_rich.png"; filename*=UTF-8''Z%C3%BCrich.png`,
      );
    });

    test.each([
      '日本語.png',
      '../../etc/passwd',
      'a\r\nSet-Cookie: b=c.png',
      'quote".png',
      '100%.png',
      '\u202Egnp.exe',
      '',
      '...',
      "it's (1)*.png",
    ])('any name makes a valid header: %j', async (name) => {
      const { port, put } = await serve();
      await put('a', 'x');
      const { status, headers } = await send(port, `/files/a?save=${encodeURIComponent(name)}`);
      expect(status).toBe(200);
      expect(headers).not.toHaveProperty('set-cookie');
      expect(headers['content-disposition']).toMatch(
        /^attachment; filename="[\x20\x21\x23-\x7e]{1,200}"(; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]+)?$/,
      );
      expect(headers['content-disposition']).not.toContain('/');
    });

    test('a name of ten thousand characters is cut', async () => {
      const { port, put } = await serve();
      await put('a', 'x');
      const { headers } = await send(port, `/files/a?save=${'x'.repeat(10_000)}.png`);
      expect(headers['content-disposition']!.length).toBeLessThan(250);
      expect(headers['content-disposition']).toContain('.png');
    });

    test('a lone surrogate in the name does no harm', async () => {
      @Controller()
      class SurrogateController {
        constructor(@InjectStorage() private readonly files: Storage) {}
        @Get()
        show(): ServedFile {
          return new ServedFile(this.files, 'a', { filename: 'a\uD800b.png' });
        }
      }
      const { port, put } = await serve(undefined, { controllers: [SurrogateController] });
      await put('a', 'x');
      const { headers } = await send(port, '/');
      expect(headers['content-disposition']).toBe('attachment; filename="ab.png"');
    });

    describe('with options', () => {
      let options: ServedFileOptions;

      @Controller()
      class OptionsController {
        constructor(@InjectStorage() private readonly files: Storage) {}
        @Get(':key')
        show(@Param('key') key: string): ServedFile {
          return new ServedFile(this.files, key, options);
        }
      }

      async function headersOf(key: string, stored: PutOptions, given: ServedFileOptions) {
        options = given;
        const { port, put } = await serve(undefined, { controllers: [OptionsController] });
        await put(key, 'x', stored);
        return (await send(port, `/${key}`)).headers;
      }

      test.each([
        'text/html',
        'image/svg+xml',
        'application/xml',
        'application/xhtml+xml',
        'text/javascript',
      ])('%s is inline when it is asked for by type, and still runs nothing', async (type) => {
        const headers = await headersOf(
          'a',
          { contentType: `${type}; charset=utf-8` },
          { dangerouslyAllowInline: [type.toUpperCase()] },
        );
        expect(headers['content-disposition']).toBe('inline; filename="a"');
        expect(headers).toMatchObject(SAFE_HEADERS);
        const other = await headersOf('a', { contentType: type }, { dangerouslyAllowInline: [] });
        expect(other['content-disposition']).toBe('attachment; filename="a"');
      });

      test('PDF that is asked for is in no sandbox, where not every viewer opens', async () => {
        const pdf = { contentType: 'application/pdf' };
        const shown = await headersOf('a.pdf', pdf, { dangerouslyAllowInline: [pdf.contentType] });
        expect(shown['content-disposition']).toBe('inline; filename="a.pdf"');
        expect(shown['content-security-policy']).toBe(
          "default-src 'none'; style-src 'unsafe-inline'",
        );
        const saved = await headersOf('a.pdf', pdf, {
          dangerouslyAllowInline: [pdf.contentType],
          disposition: 'attachment',
        });
        expect(saved['content-disposition']).toBe('attachment; filename="a.pdf"');
        expect(saved).toMatchObject(SAFE_HEADERS);
      });

      test('the type of the answer decides, not the stored one', async () => {
        const shown = await headersOf(
          'a',
          { contentType: 'text/html' },
          { contentType: 'text/plain' },
        );
        expect(shown['content-type']).toBe('text/plain; charset=utf-8');
        expect(shown['content-disposition']).toBe('inline; filename="a"');
        const saved = await headersOf(
          'a',
          { contentType: 'image/png' },
          { contentType: 'text/html' },
        );
        expect(saved['content-disposition']).toBe('attachment; filename="a"');
      });

      test.each<[string, string, ServedFileOptions, string]>([
        ['image/png', 'attachment; filename="b.png"', {}, 'attachment; filename="b.png"'],
        ['image/png', 'inline; filename="b.png"', {}, 'inline; filename="b.png"'],
        ['image/png', 'attachment', {}, 'attachment; filename="a"'],
        ['text/html', 'inline; filename="b.html"', {}, 'attachment; filename="b.html"'],
        [
          'image/png',
          'attachment; filename="b.png"',
          { disposition: 'inline' },
          'inline; filename="b.png"',
        ],
        [
          'image/png',
          'attachment; filename="b.png"',
          { filename: 'c.png' },
          'attachment; filename="c.png"',
        ],
        [
          'image/png',
          'attachment; filename="b.png"',
          { contentDisposition: `inline; filename="d"; filename*=UTF-8''%C3%BC` },
          `inline; filename="_"; filename*=UTF-8''%C3%BC`,
        ],
        [
          'text/html',
          'inline',
          { contentDisposition: 'inline; filename="../b"' },
          'attachment; filename="b"',
        ],
      ])('%s stored with %j, served with %j', async (contentType, stored, given, disposition) => {
        const headers = await headersOf('a', { contentType, contentDisposition: stored }, given);
        expect(headers['content-disposition']).toBe(disposition);
      });
    });

    test.each([
      ['text/plain', 'text/plain; charset=utf-8'],
      ['Text/Plain', 'text/plain; charset=utf-8'],
      ['text/plain; charset=iso-8859-1', 'text/plain; charset=iso-8859-1'],
      ['text/html', 'text/html'],
      ['application/json', 'application/json'],
      ['text/csv', 'text/csv'],
      ['video/mp4; codecs="avc1.42E01E, mp4a.40.2"', 'video/mp4; codecs="avc1.42E01E, mp4a.40.2"'],
      ['text/javascript', 'application/octet-stream'],
      ['Application/JavaScript; charset=utf-8', 'application/octet-stream'],
      ['text/x-ecmascript', 'application/octet-stream'],
      ['text/javascript1.5', 'application/octet-stream'],
    ])('the type %s is sent as %s', async (contentType, sent) => {
      const { port, put } = await serve();
      await put('a', 'x', { contentType });
      for (const headers of [{}, { Range: 'bytes=0-0' }] as Record<string, string>[]) {
        const answer = await send(port, '/files/a', { headers });
        expect(answer.headers['content-type']).toBe(sent);
      }
    });

    test.each([
      'image/png;, text/html',
      'image/png, text/html',
      'text/plain;, text/javascript',
      'image/png; a="b", text/html',
      'image/png text/html',
      'image/png; a',
      'image',
      '',
    ])('%j, which others stored, is not one type: it is bytes to save', async (contentType) => {
      const { port, put } = await serve((memory) => ({
        get: async (key, options) => {
          const download = await memory.get(key, options);
          return { ...download, file: { ...download.file, contentType } };
        },
      }));
      await put('a.png', 'x');
      const { headers } = await send(port, '/files/a.png');
      expect(headers['content-type']).toBe('application/octet-stream');
      expect(headers['content-disposition']).toBe('attachment; filename="a.png"');
    });

    test('what others stored that no header can hold is left out', async () => {
      const odd = { contentType: 'a\nb', contentLanguage: '日本', contentEncoding: 'x\r\ny: z' };
      const { port, put } = await serve((memory) => ({
        get: async (key, options) => {
          const download = await memory.get(key, options);
          return { ...download, file: { ...download.file, ...odd, cacheControl: '\0' } };
        },
      }));
      await put('a', 'x');
      const { status, headers } = await send(port, '/files/a');
      expect(status).toBe(200);
      expect(headers['content-type']).toBe('application/octet-stream');
      expect(headers['cache-control']).toBe('private, no-cache, no-transform');
      for (const name of ['content-language', 'content-encoding', 'y']) {
        expect(headers).not.toHaveProperty(name);
      }
    });
  });
});
