// What it costs to compute a checksum while a file is written, and to verify one while it is read.
import { drained } from '../service-rows.js';
import { chunks, LARGE } from '../bodies.js';

const ALGORITHMS = ['crc32', 'crc32c', 'md5', 'sha1', 'sha256'];
const WITHOUT = 'ours';
const CASES = [WITHOUT, ...ALGORITHMS.map((algorithm) => `ours, ${algorithm}`)];

export const title = 'a checksum of each kind, computed and verified';

export function rows() {
  return [
    {
      name: `put ${LARGE} MiB on the local disk`,
      cases: CASES,
      prepare: (name, { folder }) =>
        prepared(name, folder, (storage) => storage.put('large.bin', chunks())),
    },
    {
      name: `read ${LARGE} MiB on the local disk, and verify them`,
      cases: CASES,
      prepare: async (name, { folder }) => {
        const verify = name !== WITHOUT;
        const read = async (storage) =>
          drained((await storage.get('large.bin', { verify })).stream);
        return prepared(name, folder, read, (storage) => storage.put('large.bin', chunks()));
      },
    },
  ];
}

async function prepared(name, root, run, before) {
  const { openStorage } = await import('nestjs-storages');
  const algorithm = ALGORITHMS.find((each) => name.endsWith(`, ${each}`));
  const checksum = algorithm && { checksum: algorithm };
  const options = { driver: 'local', root, durability: 'rename', ...checksum };
  const storage = await openStorage('bench', options);
  await before?.(storage);
  return {
    run: async () => void (await run(storage)),
    ...(algorithm === undefined && { note: 'no checksum' }),
    close: () => storage.close(),
  };
}
