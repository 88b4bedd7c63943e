import { ParseFilePipe } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';

/** `RouteParamtypes.FILE` and `.FILES`, which Nest does not export. */
const FILE_PARAMETERS: ReadonlySet<number> = new Set([8, 9]);

/** Whether a `ParseFilePipe` of the handler's `@UploadedFile()` or `@UploadedFiles()` refuses a form without any file. */
export function demandsFiles(prototype: object, name: string): boolean {
  const parameters = (Reflect.getMetadata(ROUTE_ARGS_METADATA, prototype.constructor, name) ??
    {}) as Record<string, { pipes?: readonly unknown[] }>;
  return Object.entries(parameters).some(
    ([kind, { pipes = [] }]) =>
      FILE_PARAMETERS.has(Number(kind.split(':')[0])) && pipes.some(refusesNone),
  );
}

function refusesNone(pipe: unknown): boolean {
  if (pipe === ParseFilePipe) return true;
  // Private in its type.
  return (
    pipe instanceof ParseFilePipe && (pipe as unknown as { fileIsRequired: boolean }).fileIsRequired
  );
}
