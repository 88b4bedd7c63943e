export type { GcsAttributes } from './attributes.js';
export type { GcsClientOptions } from './client-options.js';
export type { GcsFaultEffect, GcsFaultOptions, GcsKeyFaultOptions } from './faults.js';
export type { GcsOperationName } from './operation-names.js';
export type { GcsServerOptions } from './options.js';
export type { GcsBatchedCall, GcsRecordedRequest } from './recorded-request.js';
export {
  startGcsServer,
  type GcsObjectSnapshot,
  type GcsResumableSessionSnapshot,
  type GcsTestServer,
} from './server.js';
export type { GcsServiceAccount } from './service-account.js';
