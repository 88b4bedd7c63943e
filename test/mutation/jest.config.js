import { join } from 'node:path';
import { project } from '../../jest.config.js';

/** @type {import('jest').Config} What the tests have on the newest SDKs; the runner says which of them, part by part. */
export default {
  ...project,
  rootDir: join(import.meta.dirname, '../..'),
  testEnvironment: join(import.meta.dirname, 'first-failure.cjs'),
  // A change after which a test waits for ever is noticed by this; a busy machine must not be.
  testTimeout: 30_000,
  watchman: false,
};
