/**
 * Spans and metrics of what storages do, by `@opentelemetry/api`.
 *
 * @module nestjs-storages/opentelemetry
 * @category API reference
 */

export { instrumentStorages, type StorageInstrumentationOptions } from './instrument-storages.js';
