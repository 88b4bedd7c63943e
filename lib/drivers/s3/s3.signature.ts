import { createHash, createHmac } from 'node:crypto';

/** Who signs. As the SDK's credential providers give it. */
export interface S3Identity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** What a signature covers, besides the key. */
export interface SignedRequest {
  readonly method: string;
  /** Encoded, as it is sent. */
  readonly path: string;
  /** Encoded and in the order of the names' bytes, as it is sent; without `?`. */
  readonly query: string;
  /** Lower-case names, `host` and `x-amz-content-sha256` among them. */
  readonly headers: Readonly<Record<string, string>>;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const EMPTY_PAYLOAD = createHash('sha256').digest('hex');

/** Proxies may change them; the SDK signs none of them either. */
const UNSIGNED = new Set(['cache-control', 'expect', 'user-agent']);

/**
 * Signs requests in their headers (AWS Signature Version 4). The key of a day is derived once.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export class RequestSigner {
  #secret = '';
  #date = '';
  #key: Buffer | undefined;

  constructor(
    private readonly region: string,
    private readonly service: string,
  ) {}

  /** The headers that sign the request, to be sent with its others. */
  sign(
    { method, path, query, headers }: SignedRequest,
    { accessKeyId, secretAccessKey, sessionToken }: S3Identity,
    time: Date,
  ): Record<string, string> {
    const timestamp = time.toISOString().replace(/[-:]|\.\d{3}/g, '');
    const date = timestamp.slice(0, 8);
    const added: Record<string, string> = {
      'x-amz-date': timestamp,
      ...(sessionToken && { 'x-amz-security-token': sessionToken }),
    };
    const signed = { ...headers, ...added };
    const names = Object.keys(signed)
      .filter((name) => !UNSIGNED.has(name))
      .toSorted();
    const lines = names.map((name) => `${name}:${canonicalValue(signed[name]!)}\n`).join('');
    const list = names.join(';');
    const payload = signed['x-amz-content-sha256']!;
    const canonical = `${method}\n${path}\n${query}\n${lines}\n${list}\n${payload}`;
    const scope = `${date}/${this.region}/${this.service}/aws4_request`;
    const text = `${ALGORITHM}\n${timestamp}\n${scope}\n${sha256(canonical)}`;
    const signature = hmac(this.#keyOf(secretAccessKey, date), text).toString('hex');
    added['authorization'] =
      `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${list}, Signature=${signature}`;
    return added;
  }

  #keyOf(secret: string, date: string): Buffer {
    if (!this.#key || this.#secret !== secret || this.#date !== date) {
      const ofRegion = hmac(hmac(`AWS4${secret}`, date), this.region);
      this.#key = hmac(hmac(ofRegion, this.service), 'aws4_request');
      this.#secret = secret;
      this.#date = date;
    }
    return this.#key;
  }
}

/** What `x-amz-content-sha256` says of a payload that is signed. */
export function payloadHash(body: Uint8Array | string | undefined): string {
  return body === undefined || body.length === 0 ? EMPTY_PAYLOAD : sha256(body);
}

function canonicalValue(value: string): string {
  return /^\s|\s$|\s\s/.test(value) ? value.trim().replace(/\s+/g, ' ') : value;
}

function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
