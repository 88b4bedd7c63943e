import { StorageInvalidArgumentError } from './errors.js';

/** How a listing refuses a cursor that none of its pages gave. */
export function notACursor(): StorageInvalidArgumentError {
  return new StorageInvalidArgumentError(
    'cursor must be what an earlier page of the same listing gave',
  );
}
