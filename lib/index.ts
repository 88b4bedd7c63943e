/**
 * Named file storages for NestJS, and for any Node program by `openStorage`.
 *
 * @module nestjs-storages
 * @category API reference
 */

export { contentTypeOf, type ParsedAttributes } from './core/attributes.js';
export { type DriverBody, readBody, type StorageBody } from './core/body.js';
export type {
  Capabilities,
  PartConstraint,
  StorageLimits,
  UploadConstraint,
} from './core/capabilities.js';
export type { Checksum, ChecksumAlgorithm } from './core/checksum.js';
export {
  checkReadConditions,
  checkWriteConditions,
  type ReadConditions,
  type WriteConditions,
} from './core/conditions.js';
export {
  contentDisposition,
  type Disposition,
  type NamedDisposition,
  safeFileName,
} from './core/content-disposition.js';
export { Download } from './core/download.js';
export {
  StorageAbortedError,
  StorageClosedError,
  StorageConfigurationError,
  StorageConnectionError,
  StorageError,
  type StorageErrorCode,
  type StorageErrorContext,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageIntegrityError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
  StorageNotModifiedError,
  StoragePermissionError,
  StoragePreconditionFailedError,
  StorageQuotaExceededError,
  StorageRangeNotSatisfiableError,
  StorageRateLimitedError,
  StorageTimeoutError,
  StorageTooLargeError,
  StorageUnsupportedError,
} from './core/errors.js';
export type { MultipartPart, MultipartUpload, MultipartUploadInfo } from './core/multipart.js';
export type { ProgressCallback, ProgressInfo } from './core/progress.js';
export { type ByteRange, type RangeOption, resolveRange } from './core/range.js';
export {
  type ParsedRetryOptions,
  type RetryOptions,
  withRetry,
  type WithRetryOptions,
} from './core/retry.js';
export type { SeekableBody, SeekableSource } from './core/seekable-body.js';
export type { SignedUrlOptions } from './core/signed-url.js';
export type { SigningKey } from './core/signing-keys.js';
export type * from './core/storage-driver.js';
export type * from './core/storage-methods.js';
export {
  OPERATION_END,
  OPERATION_RETRY,
  OPERATION_START,
  type StorageCallEvent,
} from './core/storage-events.js';
export type * from './core/storage-names.js';
export type { StorageOptions } from './core/storage-options.js';
export { StagedFile } from './core/staging.js';
export { Storage } from './core/storage.js';
export { type FileAttributes, storedFile, type StoredFile } from './core/stored-file.js';
export type { ByteSize } from './core/units.js';
export { UploadMemory } from './core/upload-memory.js';
export {
  DirectUploads,
  type BegunDirectUpload,
  type DirectPartsUpload,
  type DirectRequestUpload,
  type DirectUpload,
  type DirectUploadStatus,
} from './direct/direct-uploads.js';
export { DirectUploadsModule } from './direct/direct-uploads.module.js';
export type { PartUrl } from './direct/part-urls.js';
export type { DirectUploadRequest } from './direct/upload-request.js';
export { InjectStorage } from './decorators/inject-storage.decorator.js';
export type * from './drivers/driver-options.js';
export { createStorage, openStorage } from './drivers/open-storage.js';
export {
  type StorageHealth,
  StorageHealthIndicator,
  type StorageHealthOptions,
} from './health/storage.health.js';
export type * from './interfaces/direct-uploads-options.interface.js';
export type * from './interfaces/storage-module-options.interface.js';
export type * from './interfaces/storage-routes-options.interface.js';
export { ServeStorageModule } from './routes/serve-storage.module.js';
export type { CachePreset } from './serving/cache-control.js';
export { ServedFile } from './serving/served-file.js';
export type { AccelOptions, ServedFileOptions, ServingMode } from './serving/serving-options.js';
export { StorageExceptionFilter, toHttpException } from './storage.exceptions.js';
export { StorageModule } from './storage.module.js';
export { StorageRegistry } from './storage.registry.js';
export { getStorageToken } from './storage.tokens.js';
export { StoredFileDto, StoredFileWithMetadataDto } from './swagger/stored-file.dto.js';
export {
  ApiUpload,
  type ApiUploadOptions,
  type UploadFields,
} from './uploads/api-upload.decorator.js';
export type { MulterFile } from './uploads/file-body.js';
export type { ImageLimits } from './uploads/image-limits.js';
export { KeepUploads } from './uploads/keep-uploads.decorator.js';
export {
  contentHashKey,
  datedKey,
  randomKey,
  type UploadContentKey,
  type UploadKey,
} from './uploads/key-strategies.js';
export { StorageEngine } from './uploads/storage.engine.js';
export {
  StorageAnyFilesInterceptor,
  StorageFileFieldsInterceptor,
  StorageFileInterceptor,
  StorageFilesInterceptor,
} from './uploads/storage.interceptors.js';
export { StoredSizeValidator, StoredTypeValidator } from './uploads/stored-upload.validators.js';
export type { HashedFile, IncomingFile, StoredUpload, TypedFile } from './uploads/stored-upload.js';
export type { UploadInterceptorOptions, UploadOptions } from './uploads/upload-options.js';
export type { UploadField } from './uploads/upload-plan.js';
export type { UploadOptionsSource, UploadPolicy } from './uploads/upload-policy.js';
export { UploadProgress, type UploadStatus } from './uploads/upload-progress.js';
export type { ScanContext, ScanVerdict, UploadScan } from './uploads/upload-scan.js';
