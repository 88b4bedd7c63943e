import { parseRetryOptions } from '../../lib/core/retry.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import { createMemoryDriver } from '../../lib/drivers/memory/memory.driver.js';

export interface RecordingDriver {
  readonly driver: StorageDriver;
  /** The methods that were called, in order, with their key, such as `'put a.txt'`. */
  readonly calls: string[];
  /** Every key that is stored. */
  readonly keys: () => Promise<string[]>;
  /** Calls of one method. */
  readonly count: (method: keyof StorageDriver) => number;
}

/** A memory driver that notes its calls; `replace` takes the place of its methods. */
export async function recordingDriver(
  replace: (memory: StorageDriver) => Partial<StorageDriver> = () => ({}),
): Promise<RecordingDriver> {
  const settings = { storage: 'recorded', retry: parseRetryOptions(), concurrency: 4 };
  const memory: StorageDriver = await createMemoryDriver({}, settings);
  const replaced = replace(memory);
  const calls: string[] = [];
  const driver = new Proxy(memory, {
    get(_target, name: keyof StorageDriver) {
      const host = name in replaced ? replaced : memory;
      const member = host[name] as unknown;
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        const [key] = args;
        const about = Array.isArray(key) ? key.join(',') : typeof key === 'string' ? key : '';
        calls.push(`${name} ${about}`.trim());
        return member.apply(host, args) as unknown;
      };
    },
  });
  return {
    driver,
    calls,
    count: (method) => calls.filter((call) => call.split(' ')[0] === method).length,
    async keys() {
      const keys: string[] = [];
      const { signal } = new AbortController();
      for await (const { files } of memory.list({ prefix: '', pageSize: 1000, signal })) {
        keys.push(...files.map(({ key }) => key));
      }
      return keys;
    },
  };
}
