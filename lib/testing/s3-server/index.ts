export type { CorsRule } from '../servers/cors.js';
export type { ConnectionFault, Fault, FaultOptions } from '../servers/faults.js';
export type { S3FaultEffect, S3FaultOptions, S3KeyFaultOptions } from './faults.js';
export type { S3OperationName } from './operation-names.js';
export type { S3ServerProvider } from './provider-behaviour.js';
export type { S3RecordedRequest } from './recorded-request.js';
export {
  startS3Server,
  type S3MultipartUploadSnapshot,
  type S3ObjectSnapshot,
  type S3ServerOptions,
  type S3TestServer,
} from './server.js';
export type { Credentials as S3Credentials } from './signature-v4.js';
