import { assertDriver } from './driver-contract.js';
import type { StorageDriver } from './storage-driver.js';

/** Of drivers that were given as objects: storages that are given the same one share it. */
const sources = new WeakMap<StorageDriver, DriverSource>();

/** Where the driver of storages comes from: opened on first use, and again after an attempt that failed. */
export class DriverSource {
  #driver: StorageDriver | undefined;
  #opening: Promise<StorageDriver> | undefined;
  #storages = 0;

  /**
   * @param driverName known before there is a driver
   * @param isObserved whether the calls of storages on it are told to those who listen to them
   */
  constructor(
    readonly driverName: string,
    private readonly openDriver: () => Promise<StorageDriver>,
    readonly isObserved = true,
  ) {}

  /** @throws StorageConfigurationError when it is not a whole driver */
  static of(driver: StorageDriver): DriverSource {
    assertDriver(driver);
    const known = sources.get(driver);
    if (known) return known;
    const source = new DriverSource(driver.name, async () => driver);
    source.#driver = driver;
    sources.set(driver, source);
    return source;
  }

  get driver(): StorageDriver | undefined {
    return this.#driver;
  }

  async open(): Promise<StorageDriver> {
    if (this.#driver) return this.#driver;
    this.#opening ??= this.openDriver();
    try {
      this.#driver = await this.#opening;
      return this.#driver;
    } finally {
      this.#opening = undefined;
    }
  }

  /** Counts a storage that will call `close()` in the end. */
  hold(): void {
    this.#storages++;
  }

  /** Closes the driver, unless another storage still holds it. */
  async close(): Promise<void> {
    if (--this.#storages > 0) return;
    const driver = this.#driver ?? (await this.#opening?.catch(() => undefined));
    await driver?.close();
  }
}
