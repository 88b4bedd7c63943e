import { createHash } from 'node:crypto';
import type {
  $Command,
  S3ClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes,
} from '@aws-sdk/client-s3';
import type { CreateOnlyHeader } from './s3.profiles.js';

/** Any command of the SDK. */
export type S3Command<
  Input extends ServiceInputTypes = ServiceInputTypes,
  Output extends ServiceOutputTypes = ServiceOutputTypes,
> = $Command<Input, Output, S3ClientResolvedConfig, ServiceInputTypes, ServiceOutputTypes>;

export type Headers = Record<string, string>;

/** The answer as it came: headers by lower-case name, and the stream that holds the socket, unless `exchange` watches over it. */
export interface WireAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** What is asked of the service: a command of the SDK, and in what the request differs from the one that the SDK makes of it. */
export class S3Call<
  Input extends ServiceInputTypes = ServiceInputTypes,
  Output extends ServiceOutputTypes = ServiceOutputTypes,
> {
  readonly #changes: ((headers: Headers, body: unknown) => void)[] = [];
  readonly #lookers: ((answer: WireAnswer) => void)[] = [];
  #isUnsigned = false;

  constructor(readonly command: S3Command<Input, Output>) {}

  /** Changes the headers before they are signed. */
  withHeaders(change: (headers: Headers, body: unknown) => void): this {
    this.#changes.push(change);
    return this;
  }

  /** Lets the write only create, in the words of the service. */
  onlyCreating({ name, value }: CreateOnlyHeader): this {
    return this.withHeaders((headers) => {
      headers[name] = value;
    });
  }

  /** Content-MD5 instead of the SDK's own checksum, for services that know no other. */
  withContentMd5(): this {
    return this.withHeaders((headers, body) => {
      for (const name of Object.keys(headers)) {
        if (/^x-amz-(checksum-|sdk-checksum-algorithm$)/i.test(name)) delete headers[name];
      }
      headers['content-md5'] = createHash('md5')
        .update(body as string | Uint8Array)
        .digest('base64');
    });
  }

  /**
   * Leaves the SHA-256 of the payload out of the signature, which costs more than everything else in sending it. For
   * requests that carry another checksum; it is left out only on a wire that nobody can change: TLS, or this machine's own.
   */
  withUnsignedPayload(): this {
    this.#isUnsigned = true;
    return this;
  }

  /** Shows each answer, that of the last attempt last. The SDK's outputs leave out most headers. */
  onAnswer(look: (answer: WireAnswer) => void): this {
    this.#lookers.push(look);
    return this;
  }

  /** Makes the changes in the headers of a request. */
  change(headers: Headers, body: unknown): void {
    for (const change of this.#changes) change(headers, body);
  }

  /** Shows the answer to those who asked by `onAnswer`. */
  answered(answer: WireAnswer): void {
    for (const look of this.#lookers) look(answer);
  }

  /** Whether the payload is left out of the signature of a request that goes to this host. */
  leavesPayloadUnsigned(secure: boolean, hostname: string): boolean {
    return this.#isUnsigned && (secure || LOOPBACK.test(hostname));
  }
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/;

/** The service's own clock, by which `Last-Modified` is told. */
export function dateOf(answer: WireAnswer | undefined): Date | undefined {
  const date = new Date(answer?.headers['date'] ?? '');
  return Number.isNaN(date.getTime()) ? undefined : date;
}
