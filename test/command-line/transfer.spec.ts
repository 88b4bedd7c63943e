import { transfer } from '../../lib/command-line/transfer.js';
import { StorageIntegrityError } from '../../lib/core/errors.js';
import { createStorage } from '../../lib/drivers/open-storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

describe('a file that is copied to another storage', () => {
  const { signal } = new AbortController();

  test.each([
    ['keeps its kind of checksum', ['md5']],
    ['keeps another kind', ['crc32c']],
    ['keeps none', []],
  ] as const)('is refused when it was damaged on its way, where that %s', async (_what, kept) => {
    const source = await recordingDriver((memory) => ({
      async get(key, options) {
        const { file, body } = await memory.get(key, options);
        return { file, body: Buffer.from(body as Uint8Array).fill('X', 0, 1) };
      },
    }));
    const target = await recordingDriver((memory) => ({
      capabilities: { ...memory.capabilities, checksums: kept },
    }));
    const from = createStorage('from', { driver: source.driver });
    const to = createStorage('to', { driver: target.driver });
    await from.put('a', 'hello', {
      checksum: { algorithm: 'md5', value: 'XUFAKrxLKna5cZ2REBfFkg==' },
    });
    await expect(transfer(from, 'a', to, 'a', { signal })).rejects.toThrow(StorageIntegrityError);
    expect(await target.keys()).toEqual([]);
  });
});
