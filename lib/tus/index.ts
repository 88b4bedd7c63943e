export type * from './tus-module-options.interface.js';
export { TUS_REQUEST_HEADERS, TUS_RESPONSE_HEADERS } from './tus-headers.js';
export { TusModule } from './tus.module.js';
