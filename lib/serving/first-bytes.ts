import type { Readable } from 'node:stream';
import { StorageAbortedError } from '../core/errors.js';

/** Resolves when the body can be read; rejects with what broke it before, or when it was freed. */
export function firstBytes(body: Readable): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (settled: () => void): void => {
      body.off('readable', onReadable).off('error', onError).off('close', onClose);
      settled();
    };
    const onReadable = (): void => settle(resolve);
    const onError = (error: Error): void => settle(() => reject(error));
    const onClose = (): void => {
      settle(() => reject(body.errored ?? new StorageAbortedError('The body was freed')));
    };
    if (body.closed) onClose();
    else body.on('readable', onReadable).on('error', onError).on('close', onClose);
  });
}
