import type { Storage as GcsClient } from '@google-cloud/storage';

declare module '../../core/storage-driver.js' {
  interface DriverClients {
    gcs: GcsClient;
  }
}

/** The private key of a service account, as its key file holds it. */
export interface GcsServiceAccountKey {
  /** Address of the account, `<name>@<project>.iam.gserviceaccount.com`: whose name is on tokens and signed URLs. */
  client_email: string;
  /** In PEM. Signs requests for tokens, and URLs; it never leaves the process. */
  private_key: string;
}

/** Credentials of another kind, as `gcloud` or the console gave them: a workload identity, a user, an impersonation. */
export interface GcsCredentialsFile {
  /** The kind: `'external_account'`, `'authorized_user'`, `'impersonated_service_account'`. What else there is depends on it. */
  type: string;
  [field: string]: unknown;
}

/** What the option `credentials` takes. */
export type GcsCredentials = GcsServiceAccountKey | GcsCredentialsFile;

/**
 * Where the bucket is and how to reach it. Credentials that are left out come from the SDK's own chain (Application Default
 * Credentials): environment, gcloud's file, workload identity, the metadata server.
 */
export interface GcsStorageOptions {
  /** Name of the bucket, which must be there. */
  bucket: string;
  /** Project of the bucket. Default: that of the credentials. */
  projectId?: string | undefined;
  /** Path of a JSON file with credentials: a service account's key, or the configuration of a workload identity. */
  keyFilename?: string | undefined;
  /** What such a file holds. */
  credentials?: GcsCredentials | undefined;
  /**
   * Base URL of another endpoint: a private one, or a test server's. No token goes to one of `http` without `keyFilename`
   * or `credentials`: that is how emulators are spoken to.
   */
  apiEndpoint?: string | undefined;
  /**
   * Lets `apiEndpoint` lead out of the private network by plain `http`, where anybody on the way can read and change the files.
   * Without it that is refused; loopback and private addresses, and names of private networks, are taken as they are. Default false.
   */
  allowInsecureEndpoint?: boolean | undefined;
  /** Connections open at once; further requests wait. Default 256, or four times `concurrency` where that is more. */
  maxSockets?: number | undefined;
  /** A client that you have made: its credentials and its endpoint hold. Retries and timeouts are the storage's all the same. */
  client?: GcsClient | undefined;
}
