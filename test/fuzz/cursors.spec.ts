import fc from 'fast-check';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StorageInvalidArgumentError } from '../../lib/core/errors.js';
import { Storage } from '../../lib/core/storage.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { openGcs } from '../drivers/gcs/open-gcs.js';
import { openS3 } from '../drivers/s3/open-s3.js';
import { runs } from './runs.js';

const endings: (() => PromiseLike<unknown>)[] = [];
afterAll(async () => {
  for (const end of endings.reverse()) await end();
});

const OPEN: Readonly<Record<string, () => Promise<Storage>>> = {
  memory: () => openStorage('files', { driver: 'memory' }),
  async local() {
    const root = await mkdtemp(join(tmpdir(), 'cursors-'));
    endings.push(() => rm(root, { recursive: true, force: true }));
    return openStorage('files', { driver: 'local', root, durability: 'rename' });
  },
  async s3() {
    const opened = await openS3();
    endings.push(() => opened[Symbol.asyncDispose]());
    return new Storage(opened.driver);
  },
  async gcs() {
    const opened = await openGcs();
    endings.push(() => opened[Symbol.asyncDispose]());
    return new Storage(opened.driver);
  },
};
const KEYS = ['a', 'b/c', 'b/d', 'e'];

describe.each(Object.keys(OPEN))('any text as a cursor, on %s', (name) => {
  it('is refused as none, or gives a page of what is stored', async () => {
    const storage = await OPEN[name]!();
    endings.push(() => storage.close());
    for (const key of KEYS) await storage.put(key, key);
    const { cursor: real } = await storage.listPage({ limit: 1 });
    const cursors = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc.string().map((text) => Buffer.from(text).toString('base64url')),
      fc.nat(real!.length).map((at) => real!.slice(0, at) + real!.slice(at + 1)),
      fc.constant(real!),
    );
    const property = fc.assert(
      fc.asyncProperty(cursors, async (cursor) => {
        try {
          const { files } = await storage.listPage({ cursor, limit: 2 });
          for (const { key } of files) assert.ok(KEYS.includes(key));
        } catch (error) {
          assert.ok(error instanceof StorageInvalidArgumentError, error as Error);
        }
      }),
      runs(0.2),
    );
    await expect(property).resolves.toBeUndefined();
  });
});
