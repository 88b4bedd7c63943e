import { isUtf8 } from 'node:buffer';
import { StorageConfigurationError, StorageFileNotFoundError } from '../../core/errors.js';
import type { Storage } from '../../core/storage.js';
import type { StoredFile } from '../../core/stored-file.js';
import { assertConfiguredOptions } from '../../configured-options.js';

/** Whether something holds of a storage, and both ways to say that it does not. */
export interface FileCheck {
  readonly holds: boolean;
  /** For when it should hold. */
  readonly message: string;
  /** For when it should not. */
  readonly oppositeMessage: string;
}

/** What is expected of a file beside its key: every field that is given. */
export interface ExpectedFile {
  content?: string | Uint8Array;
  /** Bytes. */
  size?: number;
  contentType?: string;
  /** All of it. */
  metadata?: Readonly<Record<string, string>>;
}

const EXPECTED: Readonly<Record<keyof ExpectedFile, true>> = {
  content: true,
  size: true,
  contentType: true,
  metadata: true,
};

/** @throws StorageConfigurationError naming a field that there is not, or that is undefined: it would hold of any file */
export function assertExpected(expected: ExpectedFile): void {
  assertConfiguredOptions('What is expected of a file', expected, EXPECTED);
  for (const [name, value] of Object.entries(expected)) {
    if (value !== undefined) continue;
    throw new StorageConfigurationError(
      `What is expected of a file: ${name} is undefined, which would hold of any file`,
    );
  }
}

const MOST_KEYS = 10;
const LONGEST_TEXT = 200;

export async function checkExists(storage: Storage, key: string): Promise<FileCheck> {
  const holds = await storage.exists(key);
  const where = `in the storage "${storage.name}"`;
  return {
    holds,
    message: holds ? '' : `There is no file "${key}" ${where}; there ${await keysOf(storage)}`,
    oppositeMessage: `There is a file "${key}" ${where}`,
  };
}

export async function checkFile(
  storage: Storage,
  key: string,
  expected: ExpectedFile,
): Promise<FileCheck> {
  assertExpected(expected);
  let file: StoredFile;
  try {
    file = await storage.info(key);
  } catch (error) {
    if (!(error instanceof StorageFileNotFoundError)) throw error;
    return checkExists(storage, key);
  }
  const differences: string[] = [];
  const compare = (name: string, is: unknown, wanted: unknown): void => {
    if (wanted === undefined || isAlike(is, wanted)) return;
    differences.push(`its ${name} is ${shown(is)}, not ${shown(wanted)}`);
  };
  compare('size', file.size, expected.size);
  compare('contentType', file.contentType, expected.contentType);
  compare('metadata', sorted(file.metadata), expected.metadata && sorted(expected.metadata));
  const { content } = expected;
  if (content !== undefined) {
    const bytes = await storage.getBytes(key);
    // Of bytes that are no text, the text would be one that they have in common with others.
    const isText = typeof content === 'string' && isUtf8(bytes);
    compare('content', isText ? bytes.toString() : bytes, isText ? content : Buffer.from(content));
  }
  const which = `The file "${key}" in the storage "${storage.name}"`;
  return {
    holds: differences.length === 0,
    message: `${which} is not as expected: ${differences.join('; ')}`,
    oppositeMessage: `${which} is ${Object.keys(expected).length > 0 ? 'as described' : 'there'}`,
  };
}

async function keysOf(storage: Storage): Promise<string> {
  const keys: string[] = [];
  for await (const { key } of storage.list('', { limit: MOST_KEYS + 1 })) keys.push(`"${key}"`);
  if (keys.length === 0) return 'is none at all';
  const more = keys.length > MOST_KEYS ? ', …' : '';
  return `are ${keys.slice(0, MOST_KEYS).join(', ')}${more}`;
}

function isAlike(left: unknown, right: unknown): boolean {
  if (left instanceof Uint8Array && right instanceof Uint8Array) {
    return Buffer.compare(left, right) === 0;
  }
  return typeof left === 'object' ? JSON.stringify(left) === JSON.stringify(right) : left === right;
}

function shown(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.byteLength} bytes (${hex(value)})`;
  const text = JSON.stringify(value) ?? 'none';
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}

function hex(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 16)).toString('hex');
  return bytes.byteLength > 16 ? `${text}…` : text;
}

function sorted(record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record).sort(([one], [other]) => (one < other ? -1 : 1)),
  );
}
