import type { S3Client } from '@aws-sdk/client-s3';
import type { S3Provider } from './s3.profiles.js';

declare module '../../core/storage-driver.js' {
  interface DriverClients {
    s3: S3Client;
  }
}

/**
 * Where the bucket is and how to reach it. Credentials and a region that are left out come from the SDK's own default
 * chain: environment, shared config files, container and instance roles.
 */
export interface S3StorageOptions {
  /** Name of the bucket, which must be there; or the ARN of an access point of AWS. */
  bucket: string;
  /** Such as `'eu-central-1'`: requests are signed for it. */
  region?: string | undefined;
  /**
   * Base URL of a service that is not AWS, or of a private endpoint of AWS. `http` or `https`, nothing after the path.
   * Default: by `provider`, where its address is known.
   */
  endpoint?: string | undefined;
  /**
   * Lets `endpoint` lead out of the private network by plain `http`, where anybody on the way can read and change the files.
   * Without it that is refused; loopback and private addresses, and names of private networks, are taken as they are. Default false.
   */
  allowInsecureEndpoint?: boolean | undefined;
  /** Together with `secretAccessKey`. */
  accessKeyId?: string | undefined;
  /** Signs requests and URLs. */
  secretAccessKey?: string | undefined;
  /** Of temporary credentials. */
  sessionToken?: string | undefined;
  /**
   * Which service this is, so that nothing is sent that it refuses. Default: by the endpoint's host, `'generic'`
   * (careful) for an unknown one, `'aws'` without an endpoint.
   */
  provider?: S3Provider | undefined;
  /** What the endpoint of `provider` begins with: the account id of `'r2'`, the project reference of `'supabase'`. */
  accountId?: string | undefined;
  /** `https://host/bucket/key` instead of `https://bucket.host/key`. Default: by provider. */
  forcePathStyle?: boolean | undefined;
  /** Connections open at once; further requests wait. Default 256, or four times `concurrency` where that is more. */
  maxSockets?: number | undefined;
  /**
   * A client that you have made, used as it is: its region, credentials, retries and timeouts hold, and closing the storage
   * does not destroy it. Tell `provider` when it does not speak to AWS.
   */
  client?: S3Client | undefined;
  /**
   * How what is asked for often is sent: `'direct'` by requests of the driver's own, signed with the credentials of `client`,
   * which cost a fraction of the processor's time; `'sdk'` through the command stack of `client`, so that middleware added to
   * it sees every request. Default `'direct'`; a client that was given is always asked through its stack.
   */
  engine?: 'direct' | 'sdk' | undefined;
  /** Larger files are copied in parts. Bytes; default and maximum 5 GiB, what one CopyObject takes. */
  multipartCopyThreshold?: number | undefined;
}
