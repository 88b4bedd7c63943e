/**
 * Resumable uploads by tus 1.0, on `@tus/server`.
 *
 * @module nestjs-storages/tus
 * @category API reference
 */

export type * from './tus-module-options.interface.js';
export { TUS_REQUEST_HEADERS, TUS_RESPONSE_HEADERS } from './tus-headers.js';
export { TusModule } from './tus.module.js';
