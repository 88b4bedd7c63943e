import { assertDriver } from './driver-contract.js';
import type { StorageDriver } from './storage-driver.js';

/** Where a storage's driver comes from: opened on first use, and again after an attempt that failed. */
export class DriverSource {
  #driver: StorageDriver | undefined;
  #opening: Promise<StorageDriver> | undefined;

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
    const source = new DriverSource(driver.name, async () => driver);
    source.#driver = driver;
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

  async close(): Promise<void> {
    const driver = this.#driver ?? (await this.#opening?.catch(() => undefined));
    await driver?.close();
  }
}
