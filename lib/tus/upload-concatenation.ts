import type { Storage } from '../core/storage.js';
import { StagedUpload } from './staged-upload.js';
import { invalidUploadRequest, joinedTooLarge } from './tus.exceptions.js';
import type { UploadIds } from './upload-ids.js';
import type { UploadRecord } from './upload-record.js';

/** What `Upload-Concat` says of an upload that is created. */
export type Concatenation = { readonly kind: 'partial' } | FinalConcatenation;

export interface FinalConcatenation {
  readonly kind: 'final';
  /** Of the partial uploads, in their order. */
  readonly urls: readonly string[];
}

/** @throws UploadException 400 */
export function parseConcatenation(header: string | undefined): Concatenation | undefined {
  if (header === undefined) return undefined;
  if (header === 'partial') return { kind: 'partial' };
  const urls = /^final;\s*(\S+(?: +\S+)*)\s*$/.exec(header)?.[1]?.split(/ +/);
  // Of several in one, only the last would count, and the bytes of the others be missing.
  if (urls && !urls.some((url) => url.includes(','))) return { kind: 'final', urls };
  throw invalidUploadRequest(
    'Upload-Concat must be "partial", or "final;" and the URLs of partial uploads, with spaces between them',
  );
}

/**
 * The partial uploads behind the URLs. Only the id in a URL counts: it is sealed, and what stands before it depends on what
 * stands before the app.
 *
 * @throws UploadException 404 when one of them is not the owner's, 400 when one is not complete
 */
export async function findPartials(
  staging: Storage,
  ids: UploadIds,
  owner: string,
  { urls }: FinalConcatenation,
): Promise<StagedUpload[]> {
  const partials: StagedUpload[] = [];
  for (const url of urls) {
    const { name } = ids.open(url.replace(/[?#].*$/s, '').replace(/^.*\//s, ''), owner);
    const partial = await StagedUpload.find(staging, name);
    if (partial?.record.concat !== 'partial' || !partial.isComplete) {
      throw invalidUploadRequest(
        'Upload-Concat names an upload that is not partial, or not complete',
      );
    }
    // The process that received its last byte may have been killed.
    await partial.assemble();
    partials.push(partial);
  }
  return partials;
}

/**
 * Makes one upload of the partial ones, which stay as they are. Their bytes are read in order and pass through here.
 *
 * @throws UploadException 413
 */
export async function joinPartials(
  staging: Storage,
  name: string,
  record: Omit<UploadRecord, 'length'>,
  partials: readonly StagedUpload[],
  maxSize: number,
): Promise<StagedUpload> {
  const length = partials.reduce((sum, { offset }) => sum + offset, 0);
  if (length > maxSize) throw joinedTooLarge(maxSize);
  return StagedUpload.createWhole(staging, name, { ...record, length }, bytesOf(staging, partials));
}

async function* bytesOf(
  staging: Storage,
  partials: readonly StagedUpload[],
): AsyncGenerator<Uint8Array, void> {
  for (const { name } of partials) yield* await staging.get(name);
}
