import { project, workers } from './jest.config.js';

// `npm run test:faults`: every operation of the drivers that use a network, under every fault of such a network.
/** @type {import('jest').Config} */
export default {
  ...project,
  ...workers,
  roots: ['<rootDir>/test/faults'],
  testRegex: '\\.faults-spec\\.ts$',
  testTimeout: 240_000,
};
