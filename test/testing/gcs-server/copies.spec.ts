import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { sendAuthorized } from './gcs-test-client.js';

const MIB = 1024 * 1024;

describe('copies within the service', () => {
  let server: GcsTestServer;
  beforeEach(async () => {
    server = await startGcsServer({ buckets: ['bucket', 'other'] });
  });
  afterEach(() => server.close());

  async function post(path: string, resource?: object) {
    const { status, text, reason } = await sendAuthorized(
      server,
      `/storage/v1/b/bucket/o/${path}`,
      {
        method: 'POST',
        ...(resource ? { body: JSON.stringify(resource) } : {}),
      },
    );
    return { status, reason, json: JSON.parse(text || '{}') as Record<string, unknown> };
  }
  const described = { contentType: 'text/plain', metadata: { a: '1' } };

  describe('rewrite', () => {
    it('copies at once within the limits, with all attributes', async () => {
      const source = await server.putObject('bucket', 'a/1', 'hello', described);
      const { json } = await post('a%2F1/rewriteTo/b/other/o/b%2F1');
      expect(json).toMatchObject({
        kind: 'storage#rewriteResponse',
        done: true,
        totalBytesRewritten: '5',
        objectSize: '5',
        resource: { bucket: 'other', name: 'b/1', metageneration: '1', ...described },
      });
      const copy = server.object('other', 'b/1');
      expect(copy?.body.toString()).toBe('hello');
      expect(copy?.generation).not.toBe(source.generation);
      await server.putObject('bucket', 'a/1', 'other');
      expect(server.object('other', 'b/1')?.body.toString()).toBe('hello');
    });

    it('replaces the attributes when it is given some', async () => {
      await server.putObject('bucket', 'a', 'hello', described);
      await post('a/rewriteTo/b/bucket/o/b', { cacheControl: 'no-store' });
      const copy = server.object('bucket', 'b');
      expect(copy).toMatchObject({ cacheControl: 'no-store', metadata: {} });
      expect(copy?.contentType).toBeUndefined();
    });

    it('takes as many calls as the token asks for', async () => {
      await server.putObject('bucket', 'big', Buffer.alloc(2 * MIB + 1));
      const path = `big/rewriteTo/b/bucket/o/copy?maxBytesRewrittenPerCall=${MIB}`;
      const first = await post(path);
      expect(first.json).toMatchObject({ done: false, totalBytesRewritten: String(MIB) });
      expect(server.object('bucket', 'copy')).toBeUndefined();
      const second = await post(`${path}&rewriteToken=${String(first.json['rewriteToken'])}`);
      expect(second.json).toMatchObject({ done: false, totalBytesRewritten: String(2 * MIB) });
      const elsewhere = path.replace('copy', 'else');
      const token = `&rewriteToken=${String(second.json['rewriteToken'])}`;
      expect((await post(elsewhere + token)).status).toBe(400);
      expect((await post(path + token)).json).toMatchObject({ done: true });
      expect(server.object('bucket', 'copy')?.size).toBe(2 * MIB + 1);
      expect((await post(path + token)).status).toBe(400);
    });

    it('does not go on with a source that was replaced', async () => {
      await server.putObject('bucket', 'big', Buffer.alloc(2 * MIB));
      const path = `big/rewriteTo/b/bucket/o/copy?maxBytesRewrittenPerCall=${MIB}`;
      const { json } = await post(path);
      await server.putObject('bucket', 'big', Buffer.alloc(2 * MIB));
      expect((await post(`${path}&rewriteToken=${String(json['rewriteToken'])}`)).status).toBe(400);
    });

    it.each([
      ['ifSourceGenerationMatch=1', 412],
      ['ifSourceMetagenerationMatch=2', 412],
      ['ifSourceMetagenerationNotMatch=1', 412],
      ['sourceGeneration=1', 404],
      ['ifGenerationMatch=0', 412],
      ['ifMetagenerationMatch=3', 412],
      ['ifGenerationNotMatch=0', 200],
      ['ifMetagenerationMatch=1', 200],
      ['maxBytesRewrittenPerCall=1000', 400],
    ])('answers %s by %i', async (query, status) => {
      await server.putObject('bucket', 'a', 'new');
      await server.putObject('bucket', 'b', 'old');
      expect((await post(`a/rewriteTo/b/bucket/o/b?${query}`)).status).toBe(status);
      expect(server.object('bucket', 'b')?.body.toString()).toBe(status === 200 ? 'new' : 'old');
    });

    it('wants a source, a bucket and a name that may be', async () => {
      expect((await post('none/rewriteTo/b/bucket/o/b')).status).toBe(404);
      await server.putObject('bucket', 'a', 'x');
      expect((await post('a/rewriteTo/b/nowhere/o/b')).status).toBe(404);
      expect((await post('a/rewriteTo/b/bucket/o/%0A')).status).toBe(400);
    });

    it('lets exactly one of many win', async () => {
      await server.putObject('bucket', 'a', 'x');
      const answers = await Promise.all(
        Array.from({ length: 6 }, () => post('a/rewriteTo/b/bucket/o/b?ifGenerationMatch=0')),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 412)).toHaveLength(5);
    });
  });

  it('copies by copyTo', async () => {
    await server.putObject('bucket', 'a', 'hello', described);
    expect((await post('a/copyTo/b/other/o/b')).json).toMatchObject({ bucket: 'other', name: 'b' });
    expect(server.object('other', 'b')?.body.toString()).toBe('hello');
  });

  it('moves in one step, not onto itself', async () => {
    await server.putObject('bucket', 'a', 'hello', described);
    expect((await post('a/moveTo/o/a')).status).toBe(400);
    expect((await post('a/moveTo/o/b?ifSourceGenerationMatch=1')).status).toBe(412);
    expect((await post('a/moveTo/o/b')).json).toMatchObject({ name: 'b', ...described });
    expect([...server.objects('bucket').keys()]).toEqual(['b']);
    expect(server.object('bucket', 'b')?.body.toString()).toBe('hello');
  });

  describe('compose', () => {
    const compose = (name: string, sources: readonly object[], query = '', destination?: object) =>
      post(`${name}/compose${query}`, { sourceObjects: sources, destination });

    it('joins objects, counts their components and has no MD5', async () => {
      await server.putObject('bucket', '1', 'hello ');
      await server.putObject('bucket', '2', 'world');
      const { json } = await compose('12', [{ name: '1' }, { name: '2' }], '', described);
      expect(json).toMatchObject({ componentCount: 2, size: '11', ...described });
      expect(json).not.toHaveProperty('md5Hash');
      await compose('1212', [{ name: '12' }, { name: '12' }]);
      expect(server.object('bucket', '1212')).toMatchObject({ componentCount: 4, size: 22 });
      const whole = await server.putObject('bucket', 'whole', 'hello world');
      expect(json['crc32c']).toBe(whole.crc32c);
      const media = await sendAuthorized(server, '/bucket/12');
      expect(media.text).toBe('hello world');
      expect(media.headers['x-goog-hash']).toBe(`crc32c=${whole.crc32c}`);
      expect(media.headers['x-goog-component-count']).toBe('2');
    });

    it('keeps the bytes when its sources go, also onto one of them', async () => {
      await server.putObject('bucket', '1', 'a');
      await server.putObject('bucket', '2', 'b');
      expect((await compose('1', [{ name: '1' }, { name: '2' }])).status).toBe(200);
      await server.putObject('bucket', '2', 'c');
      expect(server.object('bucket', '1')?.body.toString()).toBe('ab');
    });

    it('takes 32 sources at most, and one at least', async () => {
      await server.putObject('bucket', '1', 'a');
      const many = Array.from({ length: 33 }, () => ({ name: '1' }));
      expect((await compose('many', many)).status).toBe(400);
      expect((await compose('many', many.slice(1))).status).toBe(200);
      expect((await compose('many', [])).status).toBe(400);
      expect((await compose('many', [{}])).status).toBe(400);
    });

    it('checks its conditions, those of the sources too', async () => {
      const { generation } = await server.putObject('bucket', '1', 'a');
      const source = (ifGenerationMatch: string) => [
        { name: '1', objectPreconditions: { ifGenerationMatch } },
      ];
      expect((await compose('to', source('1'))).status).toBe(412);
      expect((await compose('to', source(generation), '?ifGenerationMatch=1')).status).toBe(412);
      expect((await compose('to', source(generation), '?ifGenerationMatch=0')).status).toBe(200);
      expect((await compose('to', source(generation), '?ifGenerationMatch=0')).status).toBe(412);
      expect((await compose('to', [{ name: '1', generation: '1' }])).status).toBe(404);
      expect((await compose('to', [{ name: 'none' }])).status).toBe(404);
    });
  });
});
