/**
 * For tests: fakes and matchers, the conformance kit, strict servers of S3 and Google Cloud Storage, and a proxy for faults.
 *
 * @module nestjs-storages/testing
 * @category API reference
 */

export * from './conformance/index.js';
export * from './fakes/index.js';
export * from './fault-proxy/index.js';
export * from './gcs-server/index.js';
export * from './s3-server/index.js';
