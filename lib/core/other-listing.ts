import { StorageConnectionError } from './errors.js';

/**
 * The answer is of another listing: of a service that does not know the prefix, or of a cache on the way that does not tell
 * queries apart. What is listed may be about to be deleted.
 */
export function otherListing(): StorageConnectionError {
  return new StorageConnectionError(
    'The backend listed keys that do not begin with the prefix, as if for another listing',
    { retryable: false },
  );
}
