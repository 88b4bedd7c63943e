import { invalidRequest } from './direct.exceptions.js';

/**
 * Size and name of a file by the key that a client proposes for it, as `<bytes>/<name>`: clients that ask for the signature
 * of single requests tell nothing else of it.
 *
 * @throws UploadException 400
 */
export function proposedFile(key: unknown): { readonly size: number; readonly filename: string } {
  const [, size, filename] = /^(\d{1,16})\/(.+)$/s.exec(typeof key === 'string' ? key : '') ?? [];
  if (size !== undefined && filename !== undefined) return { size: Number(size), filename };
  throw invalidRequest(
    'The key must tell size and name of the file; set generateObjectKey: (file) => `${file.size}/${file.name}`',
  );
}
