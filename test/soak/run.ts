// `npm run test:soak -- --minutes 10`: many clients at once, then all kinds of calls to several storages, of which two are behind servers that fail. Prints
// what the process holds meanwhile, and fails when it holds more and more, or when a file is not what was stored.
import { fork } from 'node:child_process';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { StorageError } from '../../lib/core/errors.js';
import type { Storage } from '../../lib/core/storage.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { load } from './load.js';

const MiB = 1024 * 1024;
const WORKERS = 4;
/**
 * Growth from the second fifth of the time to the last one that is no leak yet. Drivers that send parts keep up to 32 MiB of
 * buffers for the next upload.
 */
const ALLOWED = { heap: 8 * MiB, external: 32 * MiB, descriptors: 8, sockets: 8 };
/** Samples in which at least one call of each storage succeeds. */
const STUCK_AFTER = 5;
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const duration = Number(values.minutes) * 60_000;

type Held = Record<keyof typeof ALLOWED, number>;

const folder = await mkdtemp(join(tmpdir(), 'soak-'));
const servers = fork(join(import.meta.dirname, 'faulty-servers.ts'), [folder]);
const [ready] = (await once(servers, 'message')) as [Record<'s3' | 'gcs', object>];
// What hangs is given up soon, so that much comes to its end.
const impatient = { timeout: 2000, retry: { baseDelay: 50, maxDelay: 500 } };
const storages: Storage[] = [
  await openStorage('local', { driver: 'local', root: join(folder, 'local'), createRoot: true }),
  await openStorage('memory', { driver: 'memory' }),
  await openStorage('s3', { driver: 's3', provider: 'aws', ...ready.s3, ...impatient } as never),
  await openStorage('gcs', { driver: 'gcs', ...ready.gcs, ...impatient } as never),
];

const UNEXPECTED = new Set(['CONFIGURATION', 'INVALID_ARGUMENT', 'UNSUPPORTED', 'CLOSED']);
const problems: string[] = await loads();
const calls = { succeeded: 0, failed: 0 };
/** Names of the storages of which a call succeeded lately. */
const working = new Set<string>();
const codes: Record<string, number> = {};
const end = performance.now() + duration;

async function loads(): Promise<string[]> {
  await using server = await startS3Server({ buckets: ['files'] });
  const { endpoint, region, credentials } = server;
  const s3: StorageConfiguration = {
    driver: 's3',
    provider: 'aws',
    bucket: 'files',
    endpoint,
    region,
    ...credentials,
  };
  const local: StorageConfiguration = {
    driver: 'local',
    root: join(folder, 'load'),
    createRoot: true,
  };
  return [...(await load('local', local)), ...(await load('s3', s3))];
}

async function* inChunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 60_000) {
    await setImmediate();
    yield bytes.subarray(start, start + 60_000);
  }
}

function some({ driver }: Storage): { bytes: Buffer; options: { metadata: { sha256: string } } } {
  const bytes = randomBytes(
    driver !== 'memory' && randomInt(20) === 0 ? 6 * MiB : randomInt(100_000),
  );
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { bytes, options: { metadata: { sha256 } } };
}

const CALLS: readonly ((storage: Storage, key: string) => Promise<unknown>)[] = [
  (storage, key) => {
    const { bytes, options } = some(storage);
    return storage.put(key, bytes, options);
  },
  (storage, key) => {
    const { bytes, options } = some(storage);
    return storage.put(key, inChunks(bytes), options);
  },
  (storage, key) => {
    const { bytes, options } = some(storage);
    return storage.put(key, inChunks(bytes), {
      ...options,
      signal: AbortSignal.timeout(randomInt(1, 50)),
    });
  },
  async (storage, key) => {
    const { bytes, options } = some(storage);
    const staged = await storage.stage(inChunks(bytes), options);
    await (randomInt(2) === 0 ? staged.discard() : staged.commit(key));
  },
  async (storage, key) => {
    const download = await storage.get(key);
    const sha256 = createHash('sha256')
      .update(await download.bytes())
      .digest('hex');
    if (sha256 !== download.file.metadata['sha256']) {
      problems.push(`${storage.name} ${key}: other bytes than were stored`);
    }
  },
  // One who has seen enough.
  async (storage, key) => {
    for await (const _ of await storage.get(key)) break;
  },
  (storage, key) => storage.info(key),
  (storage, key) => storage.copy(key, `${key}-copy`),
  (storage, key) => storage.delete(key),
  async (storage) => {
    for await (const { key } of storage.list('shared/')) if (key === '') break;
  },
];

/** Nothing but what the servers' faults, aborts and the other workers explain. */
function isExpected(error: unknown): boolean {
  return error instanceof StorageError && !UNEXPECTED.has(error.code);
}

async function work(storage: Storage): Promise<void> {
  while (performance.now() < end) {
    try {
      await CALLS[randomInt(CALLS.length)]!(storage, `shared/${randomInt(30)}`);
      calls.succeeded++;
      working.add(storage.name);
    } catch (error) {
      calls.failed++;
      if (!isExpected(error))
        problems.push(`${storage.name}: ${String(error)} ${String((error as Error).cause)}`);
      const { code } = error as { code: string };
      codes[code] = (codes[code] ?? 0) + 1;
    }
  }
}

function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [readlinkSync(`/proc/self/fd/${name}`)];
    } catch {
      return [];
    }
  });
}

function held(): Held {
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  const open = descriptors();
  return {
    heap: heapUsed,
    external,
    descriptors: open.length,
    sockets: open.filter((target) => target.startsWith('socket:')).length,
  };
}

function shown({ heap, external, ...counts }: Held): string {
  const mebibytes = (bytes: number): string => `${(bytes / MiB).toFixed(1)} MiB`;
  return `heap ${mebibytes(heap)}, external ${mebibytes(external)}, descriptors ${counts.descriptors}, sockets ${counts.sockets}`;
}

/** The least of what was held at any time: what is under way comes and goes, a leak stays. */
function least(samples: readonly Held[]): Held {
  const of = (name: keyof Held): number => Math.min(...samples.map((sample) => sample[name]));
  return {
    heap: of('heap'),
    external: of('external'),
    descriptors: of('descriptors'),
    sockets: of('sockets'),
  };
}

const samples: Held[] = [];
const sampling = (async () => {
  const every = Math.min(10_000, duration / 25);
  for (let line = 0; performance.now() < end; line++) {
    await sleep(every);
    const sample = held();
    samples.push(sample);
    if (line % STUCK_AFTER === STUCK_AFTER - 1) {
      const stuck = storages.filter(({ name }) => !working.has(name));
      problems.push(...stuck.map(({ name }) => `${name}: no call succeeds any more`));
      working.clear();
    }
    const minutes = ((duration - (end - performance.now())) / 60_000).toFixed(1);
    if (line % 3 === 0) console.log(`${minutes} min · ${calls.succeeded} calls · ${shown(sample)}`);
  }
})();
await Promise.all([
  sampling,
  ...storages.flatMap((storage) => Array.from({ length: WORKERS }, () => work(storage))),
]);
await Promise.all(storages.map((storage) => storage.close()));
servers.disconnect();
await rm(folder, { recursive: true, force: true });

const fifth = Math.floor(samples.length / 5);
const before = least(samples.slice(fifth, 2 * fifth));
const after = least(samples.slice(-fifth));
console.log(`\nearly: ${shown(before)}\nlate:  ${shown(after)}`);
for (const [name, most] of Object.entries(ALLOWED) as [keyof Held, number][]) {
  if (after[name] - before[name] > most) problems.push(`${name}: more and more`);
}
const failures = Object.entries(codes).map(([code, count]) => `${count} ${code}`);
console.log(`${calls.succeeded} calls succeeded, ${calls.failed} failed: ${failures.join(', ')}`);
for (const problem of problems.slice(0, 20)) console.log(`FAIL ${problem}`);
console.log(problems.length === 0 ? 'flat' : 'not flat');
process.exitCode = problems.length === 0 ? 0 : 1;
