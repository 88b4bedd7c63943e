import { project } from './jest.config.js';

// `npm run fuzz`: the properties of `npm test`, tried longer and each time with other values. FUZZ_RUNS says how often.
process.env.FUZZ_RUNS ??= '20000';

/** @type {import('jest').Config} */
export default {
  ...project,
  testRegex: [
    '/test/fuzz/.*\\.(e2e-)?spec\\.ts$',
    '/test/core/(conditions|content-disposition|key|range|sealed-token)\\.spec\\.ts$',
    '/test/uploads/content-sniffing\\.spec\\.ts$',
    '/test/drivers/s3/s3\\.metadata\\.spec\\.ts$',
  ],
  setupFiles: ['<rootDir>/test/fuzz/more-runs.ts'],
  testTimeout: 24 * 60 * 60 * 1000,
};
