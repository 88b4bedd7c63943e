import { createHmac, timingSafeEqual } from 'node:crypto';
import type { PartConstraint, UploadConstraint } from './capabilities.js';
import type { Checksum } from './checksum.js';
import { StorageConfigurationError } from './errors.js';
import { encodeKey } from './key.js';
import { type DerivedKey, deriveKeys, type SigningKey } from './signing-keys.js';
import type {
  DriverPartUrlOptions,
  DriverUpload,
  DriverUploadUrlOptions,
  DriverUrlOptions,
  UploadUrl,
} from './storage-driver.js';

/** What a signed URL, or a signed form, allows; every field is bound by the signature. */
export interface SignedRequest {
  /** `GET` also allows HEAD. */
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly key: string;
  /** Seconds since 1970. */
  readonly expires: number;
  readonly contentDisposition?: string;
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly size?: number;
  readonly maxSize?: number;
  /** `algorithm:base64`. */
  readonly checksum?: string;
  readonly createOnly?: boolean;
  /** With `partNumber`: what is stored is that part of the multipart upload. */
  readonly uploadId?: string;
  readonly partNumber?: number;
}

/** Where signed URLs lead to, and what they are signed with. */
export interface SignedUrlOptions {
  /** URL below which the files are served; as a function, asked for each URL. */
  baseUrl?: string | (() => string);
  /** The first signs, all verify. */
  signingKeys?: readonly SigningKey[];
}

const PARAMETERS = {
  contentDisposition: 'disposition',
  contentType: 'type',
  cacheControl: 'cache-control',
  size: 'size',
  maxSize: 'max-size',
  checksum: 'checksum',
  createOnly: 'create-only',
  uploadId: 'upload-id',
  partNumber: 'part-number',
} as const satisfies Partial<Record<keyof SignedRequest, string>>;

/** The type's name among the fields of a form, as in forms for S3. */
const FORM_TYPE = 'Content-Type';

/** What an upload URL of a `UrlSigner` is bound to; for `capabilities.signedUploads`. */
export const SIGNED_UPLOAD_CONSTRAINTS = [
  'contentType',
  'size',
  'maxSize',
  'checksum',
  'createOnly',
] as const satisfies readonly UploadConstraint[];

/** What the URL of a part is bound to; for `capabilities.signedParts`. */
export const SIGNED_PART_CONSTRAINTS = [
  'size',
  'checksum',
] as const satisfies readonly PartConstraint[];

/** Bytes of a part whose URL says no size, at most: a part is held in memory as a whole. */
const MOST_OF_UNSIZED_PART = 64 * 1024 ** 2;

/** Signs and verifies URLs for backends that have no signatures of their own (HMAC-SHA-256 over every field). */
export class UrlSigner {
  readonly #baseUrl: () => string;
  readonly #keys: readonly DerivedKey[];

  /**
   * The signer of a driver with these options, or none without them.
   *
   * @throws StorageConfigurationError as the constructor does, and when one option is given without the other
   */
  static of(storage: string, { baseUrl, signingKeys }: SignedUrlOptions): UrlSigner | undefined {
    if (baseUrl === undefined && signingKeys === undefined) return undefined;
    if (baseUrl === undefined || signingKeys === undefined) {
      throw new StorageConfigurationError(
        'baseUrl and signingKeys belong together: signed URLs need both',
      );
    }
    return new UrlSigner(storage, baseUrl, signingKeys);
  }

  /**
   * @throws StorageConfigurationError when the base URL is not an absolute one without query and fragment, a key is too
   *   short, or an id is not plain or not unique.
   * @param now milliseconds since 1970: the clock that lifetimes of URLs start by
   */
  constructor(
    private readonly storage: string,
    baseUrl: string | (() => string),
    signingKeys: readonly SigningKey[],
    private readonly now: () => number = () => Date.now(),
  ) {
    if (typeof baseUrl === 'function') {
      this.#baseUrl = () => parseBaseUrl(baseUrl());
    } else {
      const parsed = parseBaseUrl(baseUrl);
      this.#baseUrl = () => parsed;
    }
    // A key of its own for each storage: a URL of one never opens another.
    this.#keys = deriveKeys(signingKeys, `signed url\n${storage}`);
  }

  sign(request: SignedRequest): string {
    const query = this.#parameters(this.#keys[0]!, request);
    return `${this.#baseUrl()}/${encodeKey(request.key)}?${query.toString()}`;
  }

  /** A URL as `StorageDriver.url` answers it. */
  readUrl(key: string, options: DriverUrlOptions): string {
    const { expiresIn, contentDisposition, contentType, cacheControl } = options;
    return this.sign({
      method: 'GET',
      key,
      expires: Math.floor(this.now() / 1000) + expiresIn,
      ...(contentDisposition !== undefined && { contentDisposition }),
      ...(contentType !== undefined && { contentType }),
      ...(cacheControl !== undefined && { cacheControl }),
    });
  }

  /** A request as `StorageDriver.uploadUrl` answers it. */
  uploadUrl(key: string, options: DriverUploadUrlOptions): UploadUrl {
    const { method, expiresIn, contentType, size, maxSize, checksum, ifNoneMatch } = options;
    const request: SignedRequest = {
      method,
      key,
      expires: Math.floor(this.now() / 1000) + expiresIn,
      ...(contentType !== undefined && { contentType }),
      ...(size !== undefined && { size }),
      ...(maxSize !== undefined && { maxSize }),
      ...(checksum && { checksum: checksumText(checksum) }),
      ...(ifNoneMatch && { createOnly: true }),
    };
    const expiresAt = new Date(request.expires * 1000);
    if (method === 'POST') {
      const fields = this.#formFields(this.#keys[0]!, request);
      return { method, url: this.#baseUrl(), headers: {}, fields, expiresAt };
    }
    const headers: Record<string, string> =
      contentType === undefined ? {} : { 'content-type': contentType };
    return { method, url: this.sign(request), headers, expiresAt };
  }

  /** A request as `StorageDriver.uploadPartUrl` answers it. */
  uploadPartUrl(
    { key, uploadId }: DriverUpload,
    partNumber: number,
    { expiresIn, size, checksum }: DriverPartUrlOptions,
  ): UploadUrl {
    const expires = Math.floor(this.now() / 1000) + expiresIn;
    const url = this.sign({
      method: 'PUT',
      key,
      expires,
      ...(size === undefined ? { maxSize: MOST_OF_UNSIZED_PART } : { size }),
      ...(checksum && { checksum: checksumText(checksum) }),
      uploadId,
      partNumber,
    });
    return { method: 'PUT', url, headers: {}, expiresAt: new Date(expires * 1000) };
  }

  /**
   * What the URL allows, or `undefined` when anything about it is not as it was signed, or its time is over: one
   * answer for all, in constant time, so that nothing can be learned from it.
   *
   * @param key the decoded key of the request
   * @param query its whole query string, without the question mark
   */
  verify(method: string, key: string, query: string, now = Date.now()): SignedRequest | undefined {
    if (!key.isWellFormed()) return undefined;
    const given = new URLSearchParams(query);
    const signer = this.#signerOf(given.get('kid'));
    const request = parseRequest(key, given);
    // Signed once more and compared as a whole: nothing can be missing, repeated, in another order or spelt otherwise.
    const isGenuine = isSameText(query, this.#parameters(signer, request).toString());
    const isAllowed = method === request.method || (method === 'HEAD' && request.method === 'GET');
    return isGenuine && isAllowed && request.expires * 1000 > now ? request : undefined;
  }

  /** The same for the fields of a form. */
  verifyForm(
    fields: Readonly<Record<string, string>>,
    now = Date.now(),
  ): SignedRequest | undefined {
    const { key = '', [FORM_TYPE]: type, ...others } = fields;
    if (!key.isWellFormed()) return undefined;
    const given = new URLSearchParams({ method: 'POST', ...others });
    if (type !== undefined) given.set(PARAMETERS.contentType, type);
    const signer = this.#signerOf(given.get('kid'));
    const request = parseRequest(key, given);
    const isGenuine = isSameText(
      sortedQuery(fields),
      sortedQuery(this.#formFields(signer, request)),
    );
    return isGenuine && request.expires * 1000 > now ? request : undefined;
  }

  #signerOf(kid: string | null): DerivedKey {
    // An unknown one takes as long.
    return this.#keys.find(({ id }) => id === kid) ?? this.#keys[0]!;
  }

  /** The whole query of the URL that allows the request. */
  #parameters(signer: DerivedKey, request: SignedRequest): URLSearchParams {
    const query = new URLSearchParams({
      method: request.method,
      expires: String(request.expires),
      kid: signer.id,
    });
    for (const [field, parameter] of Object.entries(PARAMETERS)) {
      const value = request[field as keyof typeof PARAMETERS];
      if (value !== undefined && value !== false) query.set(parameter, String(value));
    }
    query.set('signature', this.#signature(signer.key, request.key, query));
    return query;
  }

  /** The fields of the form that allows the request. */
  #formFields(signer: DerivedKey, request: SignedRequest): Record<string, string> {
    const {
      method: _method,
      [PARAMETERS.contentType]: type,
      ...others
    } = Object.fromEntries(this.#parameters(signer, request));
    return { key: request.key, ...(type !== undefined && { [FORM_TYPE]: type }), ...others };
  }

  #signature(signingKey: Buffer, key: string, query: URLSearchParams): string {
    // Names are encoded as well: one that holds "=" and a line feed could pass for two fields, and undo both.
    const fields = [...query].map((field) => field.map(encodeURIComponent).join('=')).sort();
    return createHmac('sha256', signingKey)
      .update(['v1', this.storage, encodeKey(key), ...fields].join('\n'))
      .digest('base64url');
  }
}

function checksumText({ algorithm, value }: Checksum): string {
  return `${algorithm}:${value}`;
}

/** A request as parameters tell it, whatever they tell: only its signature makes it a permission. */
function parseRequest(key: string, parameters: URLSearchParams): SignedRequest {
  const text = (name: string): string | undefined => parameters.get(name) ?? undefined;
  const number = (name: string): number | undefined =>
    parameters.has(name) ? Number(parameters.get(name)) : undefined;
  return Object.fromEntries(
    Object.entries({
      method: text('method'),
      key,
      expires: Number(parameters.get('expires')),
      contentDisposition: text(PARAMETERS.contentDisposition),
      contentType: text(PARAMETERS.contentType),
      cacheControl: text(PARAMETERS.cacheControl),
      size: number(PARAMETERS.size),
      maxSize: number(PARAMETERS.maxSize),
      checksum: text(PARAMETERS.checksum),
      createOnly: parameters.has(PARAMETERS.createOnly) || undefined,
      uploadId: text(PARAMETERS.uploadId),
      partNumber: number(PARAMETERS.partNumber),
    }).filter(([, value]) => value !== undefined),
  ) as unknown as SignedRequest;
}

/** Without slashes at its end. */
function parseBaseUrl(baseUrl: string): string {
  const isWeb = typeof baseUrl === 'string' && /^https?:\/\//i.test(baseUrl);
  // The key is put behind it: in a query or a fragment it would never arrive.
  if (isWeb && URL.canParse(baseUrl) && !/[?#]/.test(baseUrl)) return baseUrl.replace(/\/+$/, '');
  throw new StorageConfigurationError(
    'baseUrl must be an absolute http(s) URL without query and fragment',
  );
}

function sortedQuery(fields: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(fields);
  query.sort();
  return query.toString();
}

/** In a time that tells nothing of where they differ. */
function isSameText(left: string, right: string): boolean {
  const [one, other] = [Buffer.from(left), Buffer.from(right)];
  return one.length === other.length && timingSafeEqual(one, other);
}
