import { project, workers } from './jest.config.js';

// `npm run test:browser`: the built sample app in a real Chromium (CHROMIUM_PATH, or Debian's).
/** @type {import('jest').Config} */
export default {
  ...project,
  ...workers,
  roots: ['<rootDir>/test/browser'],
  testRegex: '\\.browser-spec\\.ts$',
  testTimeout: 240_000,
};
