import { TestEnvironment } from 'jest-environment-node';
import { AsyncLocalStorage } from 'node:async_hooks';

const ENTRANCES = ['run', 'enterWith'];

/**
 * Node's environment, and the asynchronous contexts of a test file end with it. Before Node 24, each promise of the process is handed to
 * every AsyncLocalStorage that was ever entered: a worker would get slower with each file.
 */
export default class extends TestEnvironment {
  #entered = new Set();
  #original = {};

  async setup() {
    await super.setup();
    const entered = this.#entered;
    for (const name of ENTRANCES) {
      const original = (this.#original[name] = AsyncLocalStorage.prototype[name]);
      AsyncLocalStorage.prototype[name] = function (...args) {
        entered.add(this);
        return Reflect.apply(original, this, args);
      };
    }
  }

  async teardown() {
    Object.assign(AsyncLocalStorage.prototype, this.#original);
    for (const storage of this.#entered) storage.disable();
    await super.teardown();
  }
}
