// One row of one client, in a process of its own: milliseconds of the processor.
import { openStorage } from 'nestjs-storages';
import { chunks, SMALL } from './bodies.js';

const AT_ONCE = 64;
const WARM_UP = 300;

/** The rows through this library. */
export async function ours(options) {
  const storage = await openStorage('bench', options);
  return {
    put: (key) => storage.put(key, SMALL),
    get: (key) => storage.getBytes(key),
    info: (key) => storage.info(key),
    async list() {
      let keys = 0;
      for await (const _file of storage.list('')) keys++;
      return keys;
    },
    upload: () => storage.put('large', chunks()),
    async download() {
      const { stream } = await storage.get('large');
      for await (const _chunk of stream);
    },
    close: () => storage.close(),
  };
}

/**
 * Measures a row and tells the process that asked. Each row has a process of its own, since what a client did before decides how
 * often V8 collects its garbage: downloads cost up to three times as much after other work, whoever makes them.
 *
 * @param clients by name, from what the server told
 */
export async function measure(clients) {
  const { client, row, count, ...server } = JSON.parse(process.argv[2]);
  const tried = await clients[client](server);
  const calls = {
    'small put': () => each(tried.put, count),
    'small get': () => each(tried.get, count),
    info: () => each(tried.info, count),
    list: tried.list,
    upload: tried.upload,
    download: tried.download,
  };
  const small = { 'small put': tried.put, 'small get': tried.get, info: tried.info }[row];
  if (small) await each(small, WARM_UP);
  else await calls[row]();
  const start = process.cpuUsage();
  await calls[row]();
  const { user, system } = process.cpuUsage(start);
  process.send((user + system) / 1000);
  await tried.close();
  process.once('disconnect', () => {});
}

/** Calls with the keys `file-0` and so on, some at once. */
async function each(call, calls) {
  let next = 0;
  const worker = async () => {
    while (next < calls) await call(`file-${next++}`);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
