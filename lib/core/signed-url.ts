import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { UploadConstraint } from './capabilities.js';
import { StorageConfigurationError } from './errors.js';
import { encodeKey } from './key.js';
import type { DriverUploadUrlOptions, DriverUrlOptions, UploadUrl } from './storage-driver.js';

/** A key that signs URLs. The first of a list signs, all of them verify: put a new one in front to rotate. */
export interface SigningKey {
  /** Travels in the URL, so that the right key verifies. `[A-Za-z0-9_-]`. */
  readonly id: string;
  /** At least 32 bytes. Each storage derives its own key from it. */
  readonly secret: string | Uint8Array;
}

/** What a signed URL allows; every field is bound by the signature. */
export interface SignedRequest {
  /** `GET` also allows HEAD. */
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  /** Seconds since 1970. */
  readonly expires: number;
  readonly contentDisposition?: string;
  readonly contentType?: string;
  readonly size?: number;
  readonly maxSize?: number;
  /** `algorithm:base64`. */
  readonly checksum?: string;
  readonly createOnly?: boolean;
}

const PARAMETERS = {
  contentDisposition: 'disposition',
  contentType: 'type',
  size: 'size',
  maxSize: 'max-size',
  checksum: 'checksum',
  createOnly: 'create-only',
} as const satisfies Partial<Record<keyof SignedRequest, string>>;

/** What an upload URL of a `UrlSigner` is bound to; for `capabilities.signedUploads`. */
export const SIGNED_UPLOAD_CONSTRAINTS = [
  'contentType',
  'size',
  'maxSize',
  'checksum',
  'createOnly',
] as const satisfies readonly UploadConstraint[];

/** Signs and verifies URLs for backends that have no signatures of their own (HMAC-SHA-256 over every field). */
export class UrlSigner {
  readonly #keys: readonly { readonly id: string; readonly key: Buffer }[];

  /**
   * The signer of a driver with these options, or none without them.
   *
   * @throws StorageConfigurationError as the constructor does, and when one option is given without the other
   */
  static of(
    storage: string,
    { baseUrl, signingKeys }: { baseUrl?: string; signingKeys?: readonly SigningKey[] },
  ): UrlSigner | undefined {
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
   */
  constructor(
    private readonly storage: string,
    private readonly baseUrl: string,
    signingKeys: readonly SigningKey[],
  ) {
    assertBaseUrl(baseUrl);
    if (!Array.isArray(signingKeys)) {
      throw new StorageConfigurationError('signingKeys must be a list of { id, secret }');
    }
    const ids = new Set<string>();
    this.#keys = (signingKeys as readonly SigningKey[]).map((signingKey) => {
      // Never shown, whatever they are: one that is misplaced may be the secret.
      const { id, secret } = signingKey ?? {};
      if (typeof id !== 'string' || !/^[\w-]+$/.test(id) || ids.has(id)) {
        throw new StorageConfigurationError(
          'signingKeys: each needs an id of its own, of [A-Za-z0-9_-]',
        );
      }
      ids.add(id);
      if (typeof secret !== 'string' && !(secret instanceof Uint8Array)) {
        throw new StorageConfigurationError(
          `signingKeys: the secret of "${id}" must be a string or a Uint8Array`,
        );
      }
      const bytes = Buffer.from(secret);
      if (bytes.length < 32) {
        throw new StorageConfigurationError(
          `signingKeys: the secret of "${id}" has ${bytes.length} bytes, at least 32 are needed`,
        );
      }
      // A key of its own for each storage: a URL of one never opens another.
      const derived = hkdfSync('sha256', bytes, '', `nestjs-storages signed url\n${storage}`, 32);
      return { id, key: Buffer.from(derived) };
    });
    if (this.#keys.length === 0) {
      throw new StorageConfigurationError('signingKeys must hold at least one key');
    }
  }

  sign(request: SignedRequest): string {
    const { id, key } = this.#keys[0]!;
    const query = new URLSearchParams({
      method: request.method,
      expires: String(request.expires),
      kid: id,
    });
    for (const [field, parameter] of Object.entries(PARAMETERS)) {
      const value = request[field as keyof typeof PARAMETERS];
      if (value !== undefined && value !== false) query.set(parameter, String(value));
    }
    query.set('signature', this.#signature(key, request.key, query));
    return `${this.baseUrl.replace(/\/+$/, '')}/${encodeKey(request.key)}?${query.toString()}`;
  }

  /** A URL as `StorageDriver.url` answers it. */
  readUrl(key: string, { expiresIn, contentDisposition, contentType }: DriverUrlOptions): string {
    return this.sign({
      method: 'GET',
      key,
      expires: Math.floor(Date.now() / 1000) + expiresIn,
      ...(contentDisposition !== undefined && { contentDisposition }),
      ...(contentType !== undefined && { contentType }),
    });
  }

  /** A request as `StorageDriver.uploadUrl` answers it; PUT only. */
  uploadUrl(key: string, options: DriverUploadUrlOptions): UploadUrl {
    const { expiresIn, contentType, size, maxSize, checksum, ifNoneMatch } = options;
    const expires = Math.floor(Date.now() / 1000) + expiresIn;
    const url = this.sign({
      method: 'PUT',
      key,
      expires,
      ...(contentType !== undefined && { contentType }),
      ...(size !== undefined && { size }),
      ...(maxSize !== undefined && { maxSize }),
      ...(checksum && { checksum: `${checksum.algorithm}:${checksum.value}` }),
      ...(ifNoneMatch && { createOnly: true }),
    });
    return {
      method: 'PUT',
      url,
      headers: contentType === undefined ? {} : { 'content-type': contentType },
      expiresAt: new Date(expires * 1000),
    };
  }

  /**
   * What the URL allows, or `undefined` when anything about it is not as it was signed, or its time is over: one
   * answer for all, in constant time, so that nothing can be learned from it.
   *
   * @param key the decoded key of the request, @param query its whole query string
   */
  verify(method: string, key: string, query: string, now = Date.now()): SignedRequest | undefined {
    const parameters = new URLSearchParams(query);
    const names = [...parameters.keys()];
    // Compared as text: decoding base64 would overlook characters that are none, and spare bits.
    const given = Buffer.from(parameters.get('signature') ?? '');
    parameters.delete('signature');
    const kid = parameters.get('kid');
    const signer = this.#keys.find(({ id }) => id === kid) ?? this.#keys[0]!;
    const expected = Buffer.from(this.#signature(signer.key, key, parameters));
    const genuine = given.length === expected.length && timingSafeEqual(given, expected);
    const allowed = parameters.get('method');
    const expires = Number(parameters.get('expires'));
    if (!genuine || signer.id !== kid || new Set(names).size !== names.length) return undefined;
    if (method !== allowed && !(method === 'HEAD' && allowed === 'GET')) return undefined;
    if (!(expires * 1000 > now)) return undefined;
    const number = (name: string): number | undefined =>
      parameters.has(name) ? Number(parameters.get(name)) : undefined;
    return Object.fromEntries(
      Object.entries({
        method: allowed,
        key,
        expires,
        contentDisposition: parameters.get(PARAMETERS.contentDisposition) ?? undefined,
        contentType: parameters.get(PARAMETERS.contentType) ?? undefined,
        size: number(PARAMETERS.size),
        maxSize: number(PARAMETERS.maxSize),
        checksum: parameters.get(PARAMETERS.checksum) ?? undefined,
        createOnly: parameters.has(PARAMETERS.createOnly) || undefined,
      }).filter(([, value]) => value !== undefined),
    ) as unknown as SignedRequest;
  }

  #signature(signingKey: Buffer, key: string, query: URLSearchParams): string {
    // Names are encoded as well: one that holds "=" and a line feed could pass for two fields, and undo both.
    const fields = [...query].map((field) => field.map(encodeURIComponent).join('=')).sort();
    return createHmac('sha256', signingKey)
      .update(['v1', this.storage, encodeKey(key), ...fields].join('\n'))
      .digest('base64url');
  }
}

function assertBaseUrl(baseUrl: string): void {
  const isWeb = typeof baseUrl === 'string' && /^https?:\/\//i.test(baseUrl);
  // The key is put behind it: in a query or a fragment it would never arrive.
  if (isWeb && URL.canParse(baseUrl) && !/[?#]/.test(baseUrl)) return;
  throw new StorageConfigurationError(
    'baseUrl must be an absolute http(s) URL without query and fragment',
  );
}
