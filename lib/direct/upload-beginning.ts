import { assertOptions } from '../core/arguments.js';
import { parseGivenAttributes } from '../core/attributes.js';
import { StorageConfigurationError, StorageUnsupportedError } from '../core/errors.js';
import { keptName } from '../core/kept-names.js';
import { parseKey } from '../core/key.js';
import type { Storage } from '../core/storage.js';
import type { UploadUrl } from '../core/storage-driver.js';
import { contentTypeByBytes } from '../uploads/content-type-policy.js';
import type { TypedFile } from '../uploads/stored-upload.js';
import type { ParsedBehaviour, ParsedRules } from './direct-upload-options.js';
import {
  LONGEST_COMPLETION,
  type MultipartClaims,
  publishedAttributes,
  TIME_TO_COMPLETE,
  type UploadClaims,
} from './upload-claims.js';
import { isUnknownType, type ParsedUploadRequest } from './upload-request.js';
import type { UploadRules } from './upload-rules.js';
import { assertAccepted, assertSize, FIELD } from './upload-verification.js';

/**
 * How the file is sent: in one request (a PUT), in parts of ours, in those of the client's choice, or by a form (a POST).
 */
export type UploadForm = 'request' | 'parts' | 'parts of any size' | 'form';

export interface BegunUpload {
  readonly claims: UploadClaims;
  /** Absent when the file goes up in parts. */
  readonly url?: UploadUrl;
}

/** Bytes of a part at least, by the clients that divide files themselves. */
const LEAST_PART = 5 * 1024 ** 2;
const MOST_PARTS = 10_000;

/** Decides about uploads before they come, and signs what they are sent with. */
export class UploadBeginning {
  constructor(
    private readonly storage: Storage,
    private readonly behaviour: ParsedBehaviour,
    private readonly rules: UploadRules,
  ) {}

  /** @throws UploadException when the file is not allowed */
  async begin(
    asked: ParsedUploadRequest,
    owner: string,
    request: unknown,
    form: UploadForm,
  ): Promise<BegunUpload> {
    const { storage, behaviour } = this;
    await storage.open();
    const rules = await this.rules.of(request);
    if (asked.size !== undefined) assertSize(rules, asked.size);
    const type = typeBefore(asked);
    if (type !== undefined) assertAccepted(type, rules.accept);
    const { maxExpiresIn } = storage.capabilities.limits;
    const lifetime = Math.min(behaviour.expiresIn, maxExpiresIn);
    const expires = Date.now() + lifetime * 1000;
    const claims: UploadClaims = {
      name: keptName(expires + TIME_TO_COMPLETE + rules.scanTimeout + LONGEST_COMPLETION),
      owner,
      ...(await this.#naming(asked, rules, request)),
      ...limitsOf(rules),
      filename: asked.filename,
      contentType: asked.contentType,
      ...(asked.size !== undefined && { size: asked.size }),
      ...(asked.checksum && { checksum: asked.checksum }),
      isReplaceable: false,
      isScanned: rules.scan !== undefined,
      isNoted: form === 'form',
      expires,
    };
    // What cannot be stored with the file is told before it is sent.
    fromApp('metadata', () => parseGivenAttributes(publishedAttributes(claims)));
    if (form === 'form') return this.#signed(claims, 'POST', lifetime);
    // Where no part can be sent by somebody else, the whole file can.
    const { multipart, signedParts } = storage.capabilities;
    if (form === 'request' || (form === 'parts' && !(multipart && signedParts))) {
      return this.#signed(claims, 'PUT', lifetime);
    }
    if (!signedParts) {
      throw new StorageUnsupportedError(
        `Storage "${storage.name}" signs no URLs for parts; send files in one request`,
      );
    }
    const started = await this.#startMultipart(claims, form);
    return { claims: { ...claims, multipart: started } };
  }

  async #naming(
    { filename, contentType }: ParsedUploadRequest,
    rules: ParsedRules,
    request: unknown,
  ): Promise<Pick<UploadClaims, 'key' | 'metadata'>> {
    const { createOnlyCopy } = this.storage.capabilities;
    if (rules.publication === 'create' && !createOnlyCopy) {
      throw new StorageUnsupportedError(
        `Storage "${this.storage.name}" cannot refuse a key that is in use, as direct uploads under keys of one's own need; use randomKey or datedKey`,
      );
    }
    const file: TypedFile = {
      fieldname: FIELD,
      originalname: filename,
      mimetype: contentType,
      contentType,
    };
    const key = await rules.key(file, request);
    const metadata = await rules.metadata(file, request);
    return {
      key: fromApp('key', () => parseKey(key)),
      metadata: fromApp('metadata', () => {
        assertOptions(metadata, 'it');
        return metadata;
      }),
    };
  }

  /** Bound to all that the backend enforces; the rest is verified when the upload is completed. */
  async #signed(
    claims: UploadClaims,
    method: 'PUT' | 'POST',
    expiresIn: number,
  ): Promise<BegunUpload> {
    const staging = this.storage.staging();
    const { name, contentType, size, maxSize, checksum } = claims;
    const enforced = staging.capabilities.signedUploads[method] || [];
    const createOnly = enforced.includes('createOnly');
    const sign = (bound: Partial<Pick<UploadClaims, 'checksum'>>): Promise<UploadUrl> =>
      staging.uploadUrl(name, {
        method,
        expiresIn,
        ...(enforced.includes('contentType') && { contentType }),
        ...(size !== undefined && enforced.includes('size') && { size }),
        ...(size === undefined && enforced.includes('maxSize') && { maxSize }),
        ...(createOnly && { ifNoneMatch: '*' }),
        ...bound,
      });
    const reach = { ...claims, isReplaceable: !createOnly };
    if (checksum && enforced.includes('checksum')) {
      try {
        const url = await sign({ checksum });
        const { checksum: _, ...others } = reach;
        return { claims: others, url };
      } catch (error) {
        // Of this algorithm it enforces none.
        if (!(error instanceof StorageUnsupportedError)) throw error;
      }
    }
    return { claims: reach, url: await sign({}) };
  }

  async #startMultipart(
    { name, contentType, size, maxSize }: UploadClaims,
    form: UploadForm,
  ): Promise<MultipartClaims> {
    const { minPartSize, maxPartSize, maxParts } = this.storage.capabilities.limits;
    const { uploadId, partSize } = await this.storage.staging().startMultipartUpload(name, {
      contentType,
      partSize: Math.min(maxPartSize, Math.max(this.behaviour.multipart.partSize, minPartSize)),
      ...(size !== undefined && { size }),
    });
    const most = Math.min(maxParts, MOST_PARTS);
    if (form === 'parts') return { uploadId, partSize, partCount: Math.ceil(size! / partSize) };
    const least = Math.max(LEAST_PART, minPartSize);
    return {
      uploadId,
      partCount: Math.max(1, Math.min(most, Math.ceil((size ?? maxSize) / least))),
    };
  }
}

/** The type as far as it is known before the file comes; that an empty file shows none, no bytes will change. */
function typeBefore({ contentType, size }: ParsedUploadRequest): string | undefined {
  if (size === 0) return contentTypeByBytes(new Uint8Array(), contentType);
  return isUnknownType(contentType) ? undefined : contentType;
}

function limitsOf(
  rules: ParsedRules,
): Pick<UploadClaims, 'maxSize' | 'minSize' | 'accept' | 'image' | 'cacheControl'> {
  const { maxSize, minSize, accept, image, cacheControl } = rules;
  return {
    maxSize,
    minSize,
    ...(accept && { accept }),
    ...(image && { image }),
    ...(cacheControl !== undefined && { cacheControl }),
  };
}

/**
 * What a function of the app gave, when it is well-formed. The client's words are clean by now: if it is not, only the app is to
 * blame.
 *
 * @throws StorageConfigurationError naming the rule
 */
function fromApp<Value>(rule: keyof ParsedRules, parse: () => Value): Value {
  try {
    return parse();
  } catch (cause) {
    const { message } = cause as Error;
    throw new StorageConfigurationError(`The ${rule} of direct uploads: ${message}`, { cause });
  }
}
