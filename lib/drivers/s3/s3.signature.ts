import { createHmac, hash } from 'node:crypto';

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

export const SIGNATURE_ALGORITHM = 'AWS4-HMAC-SHA256';
const EMPTY_PAYLOAD = hash('sha256', '', 'hex');

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
  #second = NaN;
  #timestamp = '';

  constructor(
    private readonly region: string,
    private readonly service: string,
  ) {}

  /**
   * The headers that sign the request, to be sent with its others.
   *
   * @param time in milliseconds since 1970
   */
  sign(
    { method, path, query, headers }: SignedRequest,
    { accessKeyId, secretAccessKey, sessionToken }: S3Identity,
    time: number,
  ): Record<string, string> {
    const timestamp = this.#timestampOf(time);
    const date = timestamp.slice(0, 8);
    const added: Record<string, string> = { 'x-amz-date': timestamp };
    if (sessionToken) added['x-amz-security-token'] = sessionToken;
    const names = [...Object.keys(headers), ...Object.keys(added)]
      .filter((name) => !UNSIGNED.has(name))
      .toSorted();
    let lines = '';
    for (const name of names) lines += `${name}:${canonicalValue(added[name] ?? headers[name]!)}\n`;
    const list = names.join(';');
    const payload = headers['x-amz-content-sha256']!;
    const canonical = `${method}\n${path}\n${query}\n${lines}\n${list}\n${payload}`;
    const scope = `${date}/${this.region}/${this.service}/aws4_request`;
    const text = `${SIGNATURE_ALGORITHM}\n${timestamp}\n${scope}\n${sha256(canonical)}`;
    const signature = hmac(this.#keyOf(secretAccessKey, date), text).toString('hex');
    added['authorization'] =
      `${SIGNATURE_ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${list}, Signature=${signature}`;
    return added;
  }

  #timestampOf(time: number): string {
    const second = Math.floor(time / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#timestamp = basicTime(new Date(time));
    }
    return this.#timestamp;
  }

  #keyOf(secret: string, date: string): Buffer {
    if (!this.#key || this.#secret !== secret || this.#date !== date) {
      this.#key = signingKey(secret, [date, this.region, this.service, 'aws4_request']);
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
  return hash('sha256', content, 'hex');
}

/** @param scope date, region, service and `aws4_request`, from which the key is derived */
export function signingKey(secret: string, scope: readonly string[]): Buffer {
  return scope.reduce<Buffer>(hmac, Buffer.from(`AWS4${secret}`));
}

/** `20260102T030405Z`, the basic format of ISO 8601. */
export function basicTime(date: Date): string {
  return date.toISOString().replace(/[-:]|\.\d+/g, '');
}

export function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
