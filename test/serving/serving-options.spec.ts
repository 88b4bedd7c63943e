import { createStorage, ServedFile, type ServedFileOptions } from '../../lib/index.js';

const files = createStorage('files', { driver: 'memory' });

describe('the options of a ServedFile', () => {
  it.each([
    [{ disposition: 'inlined' }, 'disposition must be one of inline, attachment'],
    [{ filename: 5 }, 'filename must be a string'],
    [{ contentDisposition: 'a\r\nb' }, 'contentDisposition must be a header value'],
    [{ contentType: 'html' }, 'contentType must be a media type'],
    [{ contentType: 'text/html\r\nSet-Cookie: a=b' }, 'contentType must be a media type'],
    [{ dangerouslyAllowInline: 'text/html' }, 'dangerouslyAllowInline must be a list'],
    [{ dangerouslyAllowInline: ['html'] }, 'dangerouslyAllowInline must be a list'],
    [{ cache: 'public' }, 'cache must be one of private, immutable, revalidate'],
    [{ cacheControl: 'no-store\r\n' }, 'cacheControl must be a header value'],
    [{ cacheControl: 60 }, 'cacheControl must be a header value'],
    [{ cache: 'private', cacheControl: 'no-store' }, 'exclude each other'],
    [{ crossOrigin: '*' }, 'crossOrigin must be one of'],
    [{ maxRanges: 0 }, 'maxRanges must be a whole number from 1 to 100'],
    [{ maxRanges: 101 }, 'maxRanges must be a whole number from 1 to 100'],
    [{ maxRanges: 1.5 }, 'maxRanges must be a whole number from 1 to 100'],
    [{ expiresIn: 'soon' }, 'expiresIn must be 1 or more seconds'],
    [{ expiresIn: -1 }, 'expiresIn must be 1 or more seconds'],
    [{ expiresIn: 0.5 }, 'expiresIn must be 1 or more seconds'],
    [{ expiresIn: Infinity }, 'expiresIn must be 1 or more seconds'],
    [{ expiresIn: true }, 'expiresIn must be 1 or more seconds'],
    [{ mode: 'direct' }, 'mode must be one of proxy, redirect, accel, auto'],
    [{ mode: 'accel' }, 'mode "accel" needs the option accel'],
    [{ accel: { header: 'X-Accel', location: '/a/' } }, 'accel must be'],
    [{ accel: { header: 'X-Accel-Redirect', location: 'a/' } }, 'the location a path'],
    [{ accel: { header: 'X-Accel-Redirect', location: '/a' } }, 'the location a path'],
    [{ accel: { header: 'X-Accel-Redirect', location: '/a/\r\n/' } }, 'the location a path'],
    [{ accel: { header: 'X-Sendfile', root: 'var/files' } }, 'the root an absolute path'],
    [{ download: true }, 'unknown option "download"; known are accel, cache,'],
  ])('%j are refused: %s', (options, message) => {
    expect(() => new ServedFile(files, 'a', options as ServedFileOptions)).toThrow(
      expect.objectContaining({
        name: 'StorageConfigurationError',
        message: expect.stringContaining(message),
      }),
    );
  });

  it.each<ServedFileOptions>([
    { maxRanges: 1 },
    { maxRanges: 100 },
    { maxAge: 0 },
    { expiresIn: 1 },
    { expiresIn: '15m' },
    // The most is up to the backend.
    { expiresIn: '10y' },
  ])('%j is taken', (options) => {
    expect(() => new ServedFile(files, 'a', options)).not.toThrow();
  });

  it('may be undefined, each of them', () => {
    const options = { disposition: undefined, mode: undefined } as unknown as ServedFileOptions;
    expect(() => new ServedFile(files, 'a', options)).not.toThrow();
  });
});
