import { project } from './jest.config.js';

// `npm run test:emulators`: the conformance kit against servers of others that run already, those whose address is in
// EMULATOR_S3_ENDPOINT, EMULATOR_GCS_ENDPOINT and EMULATOR_AZURE_CONNECTION_STRING.
const NAMES = ['EMULATOR_S3_ENDPOINT', 'EMULATOR_GCS_ENDPOINT', 'EMULATOR_AZURE_CONNECTION_STRING'];
if (!NAMES.some((name) => process.env[name])) {
  process.stderr.write(`Set one of ${NAMES.join(', ')}\n`);
  process.exit(1);
}

/** @type {import('jest').Config} */
export default {
  ...project,
  roots: ['<rootDir>/test/emulators'],
  testRegex: '\\.emulator-spec\\.ts$',
  testTimeout: 240_000,
};
