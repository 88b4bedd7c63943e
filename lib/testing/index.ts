export * from './conformance/index.js';
export * from './fakes/index.js';
export * from './fault-proxy/index.js';
export * from './gcs-server/index.js';
export * from './s3-server/index.js';
