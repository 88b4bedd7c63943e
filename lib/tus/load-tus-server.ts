import { StorageConfigurationError } from '../core/errors.js';

export type TusServerPackage = typeof import('@tus/server');

/** Loaded by the first request: an app that is only compiled or tested needs it not. @throws StorageConfigurationError */
export async function loadTusServer(): Promise<TusServerPackage> {
  try {
    return await import('@tus/server');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isMissing =
      (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') &&
      message.includes("'@tus/server'");
    throw new StorageConfigurationError(
      isMissing
        ? 'TusModule needs a package that is not installed: npm install @tus/server'
        : `TusModule needs @tus/server, which could not be loaded: ${message}`,
      { cause },
    );
  }
}
