import { HttpStatus } from '@nestjs/common';
import { type Checksum, type RunningChecksum, startChecksum } from '../core/checksum.js';
import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';
import { type BodyInspection, BodyInspector } from '../uploads/body-inspection.js';
import { SNIFF_LENGTH } from '../uploads/content-sniffing.js';
import { contentTypeByBytes, isAccepted, runsScript } from '../uploads/content-type-policy.js';
import { IMAGE_HEADER_LENGTH } from '../uploads/image-dimensions.js';
import { assertImageWithin } from '../uploads/image-limits.js';
import { ScanInspection, type UploadScan } from '../uploads/upload-scan.js';
import {
  fileTooLarge,
  fileTooSmall,
  notAccepted,
  UploadException,
} from '../uploads/upload.exceptions.js';
import { unexpectedHeaders, wrongBytes } from './direct.exceptions.js';
import type { UploadClaims } from './upload-claims.js';

/** For `field` in the body of a refusal, as in those of forms. */
export const FIELD = 'file';

/**
 * Headers that a backend keeps although no signature names them. `Cache-Control` is not among them: browsers add it by
 * themselves, and it is replaced.
 */
const HEADERS = [
  'contentDisposition',
  'contentEncoding',
  'contentLanguage',
] as const satisfies readonly (keyof StoredFile)[];

/** Who examines the bytes of a file. */
export interface Scanner {
  readonly scan: UploadScan;
  /** Milliseconds. */
  readonly timeout: number;
  /** The HTTP framework's. */
  readonly request: unknown;
  /** Nobody waits for the verdict any more. Who completes the upload may go: that does not count. */
  readonly signal: AbortSignal;
}

/** A file that was verified. */
export interface VerifiedFile {
  /** By the first bytes. */
  readonly contentType: string;
  /** In place of the uploader's, where the app asks for none. */
  readonly cacheControl?: string;
}

/** @throws UploadException */
export function assertSize(
  claims: Pick<UploadClaims, 'size' | 'maxSize' | 'minSize'>,
  size: number,
): void {
  if (size > claims.maxSize) throw fileTooLarge(claims.maxSize, FIELD);
  if (size < claims.minSize) throw fileTooSmall(claims.minSize, FIELD);
  if (claims.size !== undefined && size !== claims.size) {
    throw wrongBytes(`The file has ${size} bytes, not the announced ${claims.size}`);
  }
}

/** @throws UploadException */
export function assertAccepted(type: string, accept: readonly string[] | undefined): void {
  if (accept && !isAccepted(type, accept)) throw notAccepted(type, accept, FIELD);
}

/**
 * Verifies the file that was sent, out of the reach of who sent it, and answers what it is to be published with.
 *
 * @throws UploadException when it is not what was announced or is not allowed
 * @throws StorageError when that could not be found out
 */
export async function verifyUpload(
  staging: Storage,
  file: StoredFile,
  claims: UploadClaims,
  scanner: Scanner | undefined,
): Promise<VerifiedFile> {
  assertSize(claims, file.size);
  const unexpected = HEADERS.filter((name) => file[name]);
  if (unexpected.length > 0) throw unexpectedHeaders(unexpected);
  const head = await firstBytes(staging, file, claims.image ? IMAGE_HEADER_LENGTH : SNIFF_LENGTH);
  const contentType = contentTypeByBytes(head, claims.contentType);
  assertAccepted(contentType, claims.accept);
  // The key may end in what a web server takes for a page.
  if (runsScript(claims.contentType) && contentType !== claims.contentType) {
    throw new UploadException(
      HttpStatus.UNSUPPORTED_MEDIA_TYPE,
      'UNSUPPORTED_MEDIA_TYPE',
      `The file is ${contentType}, not the announced ${claims.contentType}`,
      { field: FIELD },
    );
  }
  if (claims.image) assertImageWithin(claims.image, { contentType, fieldname: FIELD }, head);
  const { filename: originalname, contentType: mimetype } = claims;
  const typed = { fieldname: FIELD, originalname, mimetype, contentType };
  await inspectBytes(staging, file, [
    ...(claims.checksum ? [new AnnouncedChecksum(claims.checksum)] : []),
    ...(scanner ? [new ScanInspection(scanner.scan, typed, scanner)] : []),
  ]);
  const isForeign = file.cacheControl && claims.cacheControl === undefined;
  return { contentType, ...(isForeign && { cacheControl: 'no-cache' }) };
}

async function firstBytes(staging: Storage, file: StoredFile, length: number): Promise<Uint8Array> {
  // An empty file has no ranges.
  if (file.size === 0) return new Uint8Array();
  return staging.getBytes(file.key, {
    range: { start: 0, end: Math.min(length, file.size) - 1 },
    ...versionOf(staging, file),
  });
}

/** Reads the file once for all of them. */
async function inspectBytes(
  staging: Storage,
  file: StoredFile,
  inspections: readonly BodyInspection[],
): Promise<void> {
  if (inspections.length === 0) return;
  // Opened within, so that a failure of that ends them, too.
  async function* bytes(): AsyncGenerator<Uint8Array, void> {
    yield* await staging.get(file.key, versionOf(staging, file));
  }
  const chunks = await new BodyInspector().inspect(bytes(), inspections);
  for await (const _ of chunks);
}

/** What the backend says of a checksum may be what the sender said of it, so the bytes are read. */
class AnnouncedChecksum implements BodyInspection {
  readonly #running: RunningChecksum;

  constructor(private readonly announced: Checksum) {
    this.#running = startChecksum(announced.algorithm);
  }

  see(chunk: Uint8Array): void {
    this.#running.update(chunk);
  }

  decide(): void {
    const { algorithm, value } = this.announced;
    if (this.#running.digest().value === value) return;
    throw wrongBytes(`The ${algorithm} of the file is not the announced one`);
  }

  abandon(): void {}
}

function versionOf(staging: Storage, { etag }: StoredFile): { ifMatch?: string } {
  const { conditionalGet } = staging.capabilities;
  return conditionalGet && etag !== undefined ? { ifMatch: etag } : {};
}
