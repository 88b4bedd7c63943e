import type { MultipartUploadInfo } from './multipart.js';
import type { Operation } from './operations.js';
import { repeatPages } from './repeat-pages.js';
import type { SignalOption } from './storage-methods.js';
import type { StorageView } from './storage-view.js';

/** Yields the multipart uploads under way of keys with the prefix, fetching pages as they are needed. */
export async function* listUploads(
  view: StorageView,
  prefix: string,
  options: SignalOption,
): AsyncGenerator<MultipartUploadInfo, void> {
  const operation = view.begin('listMultipartUploads', undefined, options);
  try {
    await view.open(operation);
    const fullPrefix = view.fullPrefix(prefix);
    view.assertWritable();
    view.assertMultipartListing();
    for await (const page of uploadPages(view, fullPrefix, operation)) {
      operation.pause();
      for (const upload of page) {
        yield upload;
        operation.signal.throwIfAborted();
      }
      operation.resume();
    }
  } catch (error) {
    throw operation.failure(error);
  } finally {
    operation.end();
  }
}

/** The uploads that the view shows. */
export async function* uploadPages(
  view: StorageView,
  fullPrefix: string,
  operation: Operation,
): AsyncGenerator<MultipartUploadInfo[], void> {
  const { signal } = operation;
  const first = () => view.driver.listMultipartUploads({ prefix: fullPrefix, signal });
  for await (const page of repeatPages(operation, first)) {
    yield (
      page
        // Whoever acts on an upload that another storage has under way would harm it: what the backend says is not enough.
        .filter(({ key }) => key.startsWith(fullPrefix) && view.isVisible(key))
        .map(({ key, uploadId, startedAt }) => ({
          key: view.ownKey(key),
          uploadId,
          partSize: view.defaultPartSize,
          startedAt,
        }))
    );
  }
}
