// What the heap gets for each chunk that passes a storage, beyond what the same body leaves there without one.
// node --expose-gc --min-semi-space-size=512 --max-semi-space-size=512 --import ./register.js chunk-memory.ts
import { PerformanceObserver } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { Storage } from '../../lib/core/storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

const CHUNK = Buffer.alloc(64 * 1024);
const CHUNKS = 20_000;
const SIZE = CHUNKS * CHUNK.length;

let collections = 0;
new PerformanceObserver((list) => (collections += list.getEntries().length)).observe({
  entryTypes: ['gc'],
});

/** The same chunk again and again, so that only what is done with it takes memory. */
function body(): Readable {
  let left = CHUNKS;
  return new Readable({
    read() {
      // Later, as a disk or a connection gives it: Node joins what is pushed at once.
      process.nextTick(() => this.push(left-- > 0 ? CHUNK : null));
    },
  });
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) {
    if (chunk.buffer !== CHUNK.buffer) throw new Error('The chunk was copied');
  }
}

const { driver } = await recordingDriver((memory) => ({
  async get(key, options) {
    const { file } = await memory.get(key, options);
    return { file: { ...file, size: SIZE }, body: body() };
  },
  async put(key, chunks, options) {
    await readAll(chunks as AsyncIterable<Uint8Array>);
    return memory.put(key, CHUNK.subarray(0, 1), options);
  },
}));
const storage = new Storage(driver);
await storage.put('a', body());

/** The observer is told later. */
const observed = (): Promise<void> => setTimeout(20);

/** Bytes of heap for each chunk. */
async function measure(call: () => Promise<unknown>): Promise<number> {
  await call();
  globalThis.gc!();
  await observed();
  collections = 0;
  const before = process.memoryUsage();
  await call();
  const after = process.memoryUsage();
  await observed();
  if (collections > 0) throw new Error(`${collections} collections ran meanwhile`);
  return (after.heapUsed - before.heapUsed) / CHUNKS;
}

const bare = await measure(() => readAll(body()));
const got = await measure(async () => readAll((await storage.get('a')).stream));
const put = await measure(() => storage.put('a', body()));
await storage.close();
console.log(JSON.stringify({ get: got - bare, put: put - bare }));
