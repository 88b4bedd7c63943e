import type { CommandOption, OptionValues } from './command.js';
import { UsageError } from './usage-error.js';

/** Options that more than one command has. */
export const SHARED_OPTIONS = {
  recursive: { type: 'boolean', short: 'r', description: 'everything below the prefix' },
  'dry-run': { type: 'boolean', description: 'only tell what would be done' },
  concurrency: { type: 'string', description: 'files under way at once (8)' },
  prefix: { type: 'string', description: 'only keys that start with it' },
  worker: { type: 'string', description: 'which of how many share the files, such as 2/4' },
  'content-type': { type: 'string', description: 'media type, such as text/plain' },
} as const satisfies Record<string, CommandOption>;

export function textOf(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** @throws UsageError */
export function concurrencyOf(values: OptionValues): number {
  const parsed = Number(values['concurrency'] ?? 8);
  if (Number.isInteger(parsed) && parsed >= 1 && parsed <= 256) return parsed;
  throw new UsageError('--concurrency must be a whole number from 1 to 256');
}
