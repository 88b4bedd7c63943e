import { Storage } from '../../core/storage.js';
import { FakeStorage } from './fake-storage.js';
import { checkExists, checkFile, type ExpectedFile, type FileCheck } from './file-checks.js';

/** What a matcher returns to the test runner. */
export interface MatcherResult {
  readonly pass: boolean;
  readonly message: () => string;
}

/**
 * Matchers for `expect.extend()` of Jest and of Vitest. All of them are to be awaited; the first two take any storage, the third a
 * fake one.
 */
export const storageMatchers = {
  async toHaveFile(storage: unknown, key: string): Promise<MatcherResult> {
    return resultOf(await checkExists(storedIn(storage), key));
  },

  async toHaveFileLike(
    storage: unknown,
    key: string,
    expected: ExpectedFile,
  ): Promise<MatcherResult> {
    return resultOf(await checkFile(storedIn(storage), key, expected));
  },

  async toHaveUploaded(
    storage: unknown,
    key: string,
    expected: ExpectedFile = {},
  ): Promise<MatcherResult> {
    return resultOf(await given(storage, FakeStorage).checkUploaded(key, expected));
  },
};

function storedIn(value: unknown): Storage {
  return value instanceof FakeStorage ? value.stored : given(value, Storage);
}

function given<T>(value: unknown, type: abstract new (...args: never[]) => T): T {
  if (value instanceof type) return value;
  throw new TypeError(`The matcher takes a ${type.name}: expect(storage)`);
}

function resultOf({ holds, message, oppositeMessage }: FileCheck): MatcherResult {
  return { pass: holds, message: () => (holds ? oppositeMessage : message) };
}

declare global {
  // @types/jest has it, and Vitest takes from it; where neither is there, it is an interface that nobody uses.
  namespace jest {
    // eslint-disable-next-line @typescript-eslint/no-unused-vars
    interface Matchers<R, T = {}> {
      /** A file is stored under the key. */
      toHaveFile(key: string): Promise<void>;
      /** A file is stored under the key, and every field that is given is as expected. */
      toHaveFileLike(key: string, expected: ExpectedFile): Promise<void>;
      /** The code under test has written the file, and every field that is given is as expected. Fake storages only. */
      toHaveUploaded(key: string, expected?: ExpectedFile): Promise<void>;
    }
  }
}
