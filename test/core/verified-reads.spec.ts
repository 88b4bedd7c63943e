import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { readBody } from '../../lib/core/body.js';
import { type ChecksumAlgorithm, startChecksum } from '../../lib/core/checksum.js';
import { StorageIntegrityError, StorageUnsupportedError } from '../../lib/core/errors.js';
import { storedFile } from '../../lib/core/stored-file.js';
import { summedBody } from '../../lib/core/summed-body.js';
import { verified } from '../../lib/core/verified-body.js';

const CHUNKS = ['first ', 'second ', 'third'].map((text) => Buffer.from(text));
const BYTES = Buffer.concat(CHUNKS);
const damaged = (): Buffer[] => CHUNKS.with(1, Buffer.from('sEcond '));

function fileWith(algorithm: ChecksumAlgorithm): ReturnType<typeof storedFile> {
  const running = startChecksum(algorithm);
  running.update(BYTES);
  return storedFile({ key: 'a', size: BYTES.byteLength, checksum: running.digest() });
}

describe('a verified body', () => {
  it.each(['crc32', 'crc32c', 'md5', 'sha1', 'sha256'] as const)(
    'passes when its %s is that of the file, and fails when it is not',
    async (algorithm) => {
      const file = fileWith(algorithm);
      const read = async (chunks: Buffer[]): Promise<Buffer> =>
        buffer(verified({ file, body: Readable.from(chunks) }).body as Readable);
      expect(await read(CHUNKS)).toEqual(BYTES);
      await expect(read(damaged())).rejects.toThrow(StorageIntegrityError);
      expect(verified({ file, body: BYTES }).body).toBe(BYTES);
      expect(() => verified({ file, body: Buffer.concat(damaged()) })).toThrow(
        StorageIntegrityError,
      );
    },
  );

  it('holds the last chunk back until it is certain, so that nobody gets all of a damaged file', async () => {
    const { body } = verified({ file: fileWith('crc32'), body: Readable.from(damaged()) });
    const got: Buffer[] = [];
    const read = (async () => {
      for await (const chunk of body as Readable) got.push(chunk as Buffer);
    })();
    await expect(read).rejects.toThrow(StorageIntegrityError);
    expect(Buffer.concat(got).byteLength).toBeLessThan(BYTES.byteLength);
  });

  it('is refused, and its connection freed, where the file has no checksum', async () => {
    const body = new Readable({ read() {} });
    const file = storedFile({ key: 'a', size: 5 });
    expect(() => verified({ file, body })).toThrow(StorageUnsupportedError);
    expect(body.destroyed).toBe(true);
  });

  it('closes after what is behind it', async () => {
    const order: string[] = [];
    const source = new Readable({
      read() {},
      destroy(error, callback) {
        void setImmediate().then(() => callback(error));
      },
    }).on('close', () => order.push('source'));
    const body = verified({ file: fileWith('crc32'), body: source }).body as Readable;
    const closed = new Promise<void>((resolve) => body.on('close', resolve));
    body.on('close', () => order.push('body')).destroy();
    await closed;
    expect(order).toEqual(['source', 'body']);
  });

  it('fails as what is behind it fails', async () => {
    const broken = new Readable({ read() {} });
    const body = verified({ file: fileWith('crc32'), body: broken }).body as Readable;
    const read = buffer(body);
    broken.destroy(new Error('gone'));
    await expect(read).rejects.toThrow('gone');
  });
});

describe('a summed body', () => {
  it('has the checksum of its bytes, whether they are there or come', async () => {
    const expected = fileWith('sha256').checksum;
    expect(summedBody(BYTES, 'sha256').digest()).toEqual(expected);
    const { body, digest } = summedBody(Readable.from(CHUNKS), 'sha256');
    expect(Buffer.from(await readBody(body))).toEqual(BYTES);
    expect(digest()).toEqual(expected);
  });
});
