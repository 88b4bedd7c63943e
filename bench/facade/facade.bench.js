// What the checks, the deadline, the retries and the signal around each call cost, over the bare driver.
const BYTES = Buffer.alloc(4096, 1);
const WARM_UP = 5000;
const KEY = 'photos/2026/summer.jpg';

export const title = 'a call through Storage, over its bare driver in memory';

/** @param {boolean} quick whether less is to be done, for ratios that are less sure */
export function rows(quick) {
  const calls = quick ? 20_000 : 100_000;
  const operations = {
    info: (storage, options) => storage.info(KEY, options),
    get: async (storage, options) => {
      const { body, bytes } = await openGet(storage, options);
      return body ?? bytes;
    },
    put: (storage, options) => storage.put(KEY, BYTES, options),
  };
  return Object.entries(operations).map(([name, operation]) => ({
    name: `${calls} × ${name}`,
    calls,
    limit: 'the driver, with a signal for each call',
    wanted: { limit: 2 },
    bounds: { limit: 4 },
    guard: 4,
    cases: ['limit', 'ours'],
    prepare: async (which) => {
      const call = await (which === 'ours' ? ours : bare)(operation);
      for (let index = 0; index < WARM_UP; index++) await call();
      return {
        async run() {
          for (let index = 0; index < calls; index++) await call();
        },
      };
    },
  }));
}

async function openGet(storage, options) {
  const found = await storage.get(KEY, options);
  return typeof found.bytes === 'function' ? { bytes: await found.bytes() } : found;
}

async function ours(operation) {
  const { openStorage } = await import('nestjs-storages');
  const storage = await openStorage('bench', { driver: 'memory' });
  await storage.put(KEY, BYTES);
  return () => operation(storage, {});
}

/** Whoever can be aborted has a signal of its own: on Node 20 alone, that is half of what all comes to. */
async function bare(operation) {
  const { createMemoryDriver } = await import('../../dist/drivers/memory/memory.driver.js');
  const driver = await createMemoryDriver({}, { storage: 'bench' });
  const call = () => operation(driver, { signal: new AbortController().signal });
  await driver.put(KEY, BYTES, { signal: new AbortController().signal });
  return call;
}
