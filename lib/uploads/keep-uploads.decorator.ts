import { type CustomDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';

const KEEP_UPLOADS = 'nestjs-storages:keep-uploads';
const reflector = new Reflector();

/**
 * Keeps what a handler, or any handler of a controller, was given, even when it fails: files are removed only when the
 * form itself is refused or does not arrive.
 */
export function KeepUploads(): CustomDecorator {
  return SetMetadata(KEEP_UPLOADS, true);
}

export function keepsUploads(context: ExecutionContext): boolean {
  const targets = [context.getHandler(), context.getClass()];
  return reflector.getAllAndOverride<boolean | undefined>(KEEP_UPLOADS, targets) ?? false;
}
