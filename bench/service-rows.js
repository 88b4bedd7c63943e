import { chunks, LARGE, MEBIBYTE, SMALL } from './bodies.js';
import { startProcess } from './processes.js';

const AT_ONCE = 64;
const WARM_UP = 300;
const LARGE_KEY = 'large';

/**
 * The rows of a service: what each client takes for each operation, against a server that answers at once, in a process of its
 * own.
 *
 * @param {object} service
 * @param {Record<string, (server: object) => Promise<object>>} service.clients by the name of the case, from what the server told
 * @param {string} [service.limit] what the client named `limit` is
 * @param {Record<string, object>} service.operations by name: what is `wanted` of it, and the `bounds` beyond which the run fails
 * @param {number} [service.keys] that the server lists
 * @param {string} service.base URL of the suite, beside which is its `sink-server.js`
 * @param {boolean} service.quick whether less is to be done, for ratios that are less sure
 */
export function serviceRows({ clients, limit, operations, keys = 100_000, base, quick }) {
  const calls = quick ? 2000 : 4000;
  const small = (what, callOf) => ({
    name: `${calls} × ${what}`,
    warmUp: (client) => each(WARM_UP, callOf(client)),
    run: (client) => each(calls, callOf(client)),
  });
  const large = (name, run) => ({ name, warmUp: run, run });
  const known = {
    put: small('put of 4 KiB', ({ put }) => put),
    get: small(
      'get of 4 KiB',
      ({ get }) =>
        async (key) =>
          whole((await get(key)).length, SMALL.length),
    ),
    info: small('info', ({ info }) => info),
    list: large(`list ${keys} keys`, ({ list }) => listed(list, keys)),
    upload: large(`upload ${LARGE} MiB`, ({ upload }) => upload(LARGE_KEY, chunks())),
    download: large(`download ${LARGE} MiB`, async ({ download }) =>
      whole(await download(LARGE_KEY), LARGE * MEBIBYTE.length),
    ),
  };
  return Object.entries(operations).map(([operation, judged]) => {
    const { name, warmUp, run } = known[operation];
    return {
      name,
      ...(limit !== undefined && { limit }),
      // A server that no longer answers as the driver expects is to be known before somebody measures.
      guard: 'runs',
      ...judged,
      cases: Object.keys(clients),
      async prepare(which) {
        const server = await startProcess('sink-server.js', { keys }, base);
        const client = await clients[which](server.ready);
        await warmUp(client);
        return {
          // What it comes to is no note.
          run: async () => void (await run(client)),
          verify: () => server.ask(),
          async close() {
            await client.close?.();
            await server.stop();
          },
        };
      },
    };
  });
}

/** This library as a client of a service. */
export async function storageClient(options) {
  const { openStorage } = await import('nestjs-storages');
  const storage = await openStorage('bench', options);
  return {
    put: (key) => storage.put(key, SMALL),
    get: (key) => storage.getBytes(key),
    info: (key) => storage.info(key),
    list: () => counted(storage.list('')),
    upload: (key, body) => storage.put(key, body),
    download: async (key) => drained((await storage.get(key)).stream),
    close: () => storage.close(),
  };
}

/** How many there are. */
export async function counted(iterable) {
  let count = 0;
  for await (const _each of iterable) count++;
  return count;
}

/** Reads a stream to its end. @returns how many bytes it had */
export async function drained(stream) {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}

/** Calls with the keys `file-0` and so on, some at once. */
async function each(calls, call) {
  let next = 0;
  const worker = async () => {
    while (next < calls) await call(`file-${next++}`);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function listed(list, keys) {
  const found = await list();
  if (found !== keys) throw new Error(`${found} keys were listed instead of ${keys}`);
}

function whole(bytes, wanted) {
  if (bytes !== wanted) throw new Error(`${bytes} bytes were read instead of ${wanted}`);
}
