export type { CorsRule } from './cors.js';
export type { Fault, FaultEffect, FaultOptions, KeyFaultOptions } from './faults.js';
export type { S3OperationName } from './operation-names.js';
export type { S3ServerProvider } from './provider-behaviour.js';
export type { RecordedRequest } from './request-log.js';
export {
  startS3Server,
  type MultipartUploadSnapshot,
  type ObjectSnapshot,
  type S3ServerOptions,
  type S3TestServer,
} from './server.js';
