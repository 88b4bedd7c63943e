import { StorageConfigurationError } from '../core/errors.js';

/** What went wrong, in one sentence for who has typed a command, who knows addresses and no options. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const folder = error instanceof StorageConfigurationError ? missingPath(error) : undefined;
  return folder === undefined ? error.message : `The folder ${folder} does not exist`;
}

/** Of what the system says behind the error. */
function missingPath(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, path, cause } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? path : missingPath(cause);
}
