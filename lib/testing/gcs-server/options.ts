import type { CorsRule } from '../servers/cors.js';
import type { GcsRecordedRequest } from './recorded-request.js';

export interface GcsServerOptions {
  /** Default `'test-project'`. */
  projectId?: string;
  /** Buckets there are from the start. Default `['bucket']`. */
  buckets?: readonly string[];
  /** Buckets whose objects anyone may read unsigned. Default none. */
  publicBuckets?: readonly string[];
  /**
   * Answer JSON requests without a token, too, as emulators do: the SDK sends none to an `apiEndpoint` of one's own unless
   * `useAuthWithCustomEndpoint` is set. What is sent is still verified, and so are signed URLs and policies. Default false.
   */
  anonymous?: boolean;
  /**
   * Bytes a rewrite copies per call, so that clients have to come back with its token. Default unlimited: Google copies
   * in one call within a location and storage class.
   */
  rewriteChunk?: number;
  /** Milliseconds after which a resumable session is gone. Default a week, as Google. */
  sessionLifetime?: number;
  /** Seconds an access token is good for. Default 3600. */
  tokenLifetime?: number;
  /** What browsers may do, on every bucket. Default nothing. */
  cors?: readonly CorsRule[];
  /** Keep bodies in files below this folder instead of in memory. */
  storeOnDisk?: string;
  /** Milliseconds each request waits after it was authenticated. Default 0. */
  latency?: number | ((request: GcsRecordedRequest) => number);
  /** The time signatures, tokens and expiry are judged by. Default `Date.now`. */
  now?: () => number;
}
