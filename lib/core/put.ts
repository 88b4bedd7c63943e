import { parseAttributes } from './attributes.js';
import { assertHeld, type StorageBody } from './body.js';
import { parseChecksum } from './checksum.js';
import { ProgressMeter } from './progress.js';
import type { PutOptions } from './storage-methods.js';
import type { StorageView } from './storage-view.js';
import type { StoredFile } from './stored-file.js';
import { assertCount } from './units.js';
import { uploadBody } from './upload-body.js';

/** Stores a body through a view of the storage. @param name of the operation, for messages */
export async function put(
  view: StorageView,
  name: string,
  key: string,
  body: StorageBody,
  options: PutOptions,
): Promise<StoredFile> {
  const source = view.openBody(name, key, body);
  try {
    return await view.runKey(name, key, options, async (operation, fullKey) => {
      view.assertWritable();
      const conditions = view.writeConditions(options);
      const attributes = parseAttributes(key, options);
      view.assertAttributes(options);
      const checksum = options.checksum === undefined ? undefined : parseChecksum(options.checksum);
      const size = 'bytes' in source ? source.size : (options.size ?? source.size);
      const meter =
        options.onProgress && new ProgressMeter('upload', key, size, options.onProgress);
      const content = uploadBody(source, {
        signal: operation.signal,
        size: options.size === undefined ? undefined : assertCount(options.size, 'size'),
        checksum,
        maxSize: view.maxObjectSize,
        onWait: (waiting) => operation.sourceWaits(waiting),
        onBytes: (bytes) => {
          meter?.add(bytes);
          operation.countBytes(bytes);
        },
      });
      const store = async (): Promise<StoredFile> => {
        if ('bytes' in source) assertHeld(source.bytes.byteLength, source.size);
        return view.driver.put(fullKey, content, {
          // Before what is spread: a name after two spreads takes V8 longer than all the rest of the object.
          signal: operation.signal,
          ...attributes,
          ...conditions,
          ...(size !== undefined && { size }),
          ...(checksum && { checksum }),
          ...(options.partSize !== undefined && {
            partSize: view.partSize(options.partSize, size),
          }),
          ...(options.concurrency !== undefined && {
            concurrency: assertCount(options.concurrency, 'concurrency', 1),
          }),
        });
      };
      // Bytes in memory can be sent again; a create-only write that is repeated could refuse its own first try.
      const repeatable = 'bytes' in source && Object.keys(conditions).length === 0;
      const file = await (repeatable ? operation.repeat(store) : store());
      meter?.finish();
      return view.own(file);
    });
  } catch (error) {
    if ('destroy' in source) source.destroy(error as Error);
    throw error;
  }
}
