import type { StorageDriver } from '../../lib/index.js';

export interface RecordedDriver {
  readonly driver: StorageDriver;
  /** The methods that were called, in order. */
  readonly calls: (keyof StorageDriver)[];
}

/** A driver that notes its calls; `replaced` takes the place of its methods. */
export function recorded(
  original: StorageDriver,
  replaced: Partial<StorageDriver> = {},
): RecordedDriver {
  const calls: (keyof StorageDriver)[] = [];
  const driver = new Proxy(original, {
    get(_target, name: keyof StorageDriver) {
      const host = name in replaced ? replaced : original;
      const member = host[name] as unknown;
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        calls.push(name);
        return member.apply(host, args) as unknown;
      };
    },
  });
  return { driver, calls };
}

/** Whose files are old enough for their date to be a strong validator (RFC 9110 §8.8.2.2). */
export function aged(driver: StorageDriver): Partial<StorageDriver> {
  const older = <T extends { lastModified?: Date }>(file: T): T => ({
    ...file,
    lastModified: new Date(Math.floor(file.lastModified!.getTime() / 1000) * 1000 - 3_600_000),
  });
  return {
    info: async (key, options) => older(await driver.info(key, options)),
    get: async (key, options) => {
      const download = await driver.get(key, options);
      return { ...download, file: older(download.file) };
    },
  };
}
