import { tmpdir } from 'node:os';
import { createStorage, ServedFile, type ServedFileOptions } from '../../lib/index.js';
import { deliverer } from '../../lib/serving/delegated.js';
import { fakeStorage } from '../../lib/testing/fakes/index.js';

/** Who sends a file of a backend that signs URLs, or does not, and binds Cache-Control to them, or does not. */
function delivererOf(
  capabilities: { signedUrls: boolean; signedCacheControl: boolean },
  serving: ServedFileOptions,
  given?: string,
): Promise<string> {
  const storage = fakeStorage('files', { capabilities });
  return deliverer(new ServedFile(storage, 'a.txt', { mode: 'auto', ...serving }), given);
}

/** By the app itself. */
const SIGNED = {
  baseUrl: 'https://app.example.com/files',
  signingKeys: [{ id: 'one', secret: 'a secret of at least thirty-two bytes' }],
};

const ALL = { signedUrls: true, signedCacheControl: true };
const NO_CACHE_CONTROL = { signedUrls: true, signedCacheControl: false };

describe('the mode auto', () => {
  test('redirects to a backend that signs URLs, where nothing is said of caches', async () => {
    expect(await delivererOf(ALL, {})).toBe('redirect');
    expect(await delivererOf(NO_CACHE_CONTROL, {})).toBe('redirect');
  });

  test.each<[what: string, serving: ServedFileOptions, given: string | undefined]>([
    ['cache', { cache: 'immutable' }, undefined],
    ['cacheControl', { cacheControl: 'no-store' }, undefined],
    ['maxAge', { maxAge: 60 }, undefined],
    ['@Header()', {}, 'no-store'],
  ])('redirects with what is said by %s only where the backend says it', async (...by) => {
    const [, serving, given] = by;
    expect(await delivererOf(ALL, serving, given)).toBe('redirect');
    expect(await delivererOf(NO_CACHE_CONTROL, serving, given)).toBe('proxy');
  });

  test('leaves the bytes to the app where no URL is signed, or by the app itself', async () => {
    expect(await delivererOf({ signedUrls: false, signedCacheControl: true }, {})).toBe('proxy');
    for (const storage of [
      createStorage('files', { driver: 'memory', ...SIGNED }),
      createStorage('files', { driver: 'local', root: tmpdir(), ...SIGNED }),
    ]) {
      const served = new ServedFile(storage, 'a.txt', { mode: 'auto' });
      expect(await deliverer(served, undefined)).toBe('proxy');
      await storage.close();
    }
  });

  test('goes by the web server in front of the app first', async () => {
    const accel = { header: 'X-Accel-Redirect', location: '/protected/' } as const;
    expect(await delivererOf(ALL, { accel })).toBe('accel');
  });
});

test.each(['proxy', 'redirect'] as const)('the mode %s is what it says', async (mode) => {
  expect(await delivererOf(ALL, { mode, cache: 'private' })).toBe(mode);
  expect(await delivererOf({ signedUrls: false, signedCacheControl: false }, { mode })).toBe(mode);
});
