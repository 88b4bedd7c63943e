import type { ContainerClient } from '@azure/storage-blob';

declare module '../../core/storage-driver.js' {
  interface DriverClients {
    azure: ContainerClient;
  }
}

/** What gives Microsoft Entra tokens: any credential of `@azure/identity`, or your own. */
export interface AzureTokenCredential {
  /**
   * A token that is valid now. Asked again shortly before it expires.
   *
   * @param scopes what it is to be good for: `https://storage.azure.com/.default`
   */
  getToken(
    scopes: string | string[],
    options?: {
      /** Ends the wait for the token. */
      abortSignal?: AbortSignalLike;
      /** The tenant that the service asks for, where that is not the credential's own. */
      tenantId?: string;
    },
  ): Promise<{
    /** The bearer token. */
    token: string;
    /** When it expires, in milliseconds since 1970. */
    expiresOnTimestamp: number;
  } | null>;
}
type AbortSignalLike = Pick<AbortSignal, 'aborted' | 'addEventListener' | 'removeEventListener'>;

/**
 * Where the container is and how to reach it: a connection string, or the account with one kind of credentials. With
 * the URL alone they come from `DefaultAzureCredential` of `@azure/identity`: environment, workload and managed identity,
 * developer tools.
 */
export interface AzureStorageOptions {
  /** Name of the container, which must be there. */
  container: string;
  /** With `AccountKey` or `SharedAccessSignature`, or `UseDevelopmentStorage=true`. */
  connectionString?: string | undefined;
  /**
   * `https://<account>.blob.core.windows.net`, or the endpoint of an emulator with the account in its path. Default:
   * that of `accountName`.
   */
  accountUrl?: string | undefined;
  /**
   * Lets `accountUrl`, or the connection string, lead out of the private network by plain `http`, where anybody on the way can read and change the files.
   * Without it that is refused; loopback and private addresses, and names of private networks, are taken as they are. Default false.
   */
  allowInsecureEndpoint?: boolean | undefined;
  /** Name of the storage account, for `accountKey`, and for `accountUrl` where that is left out. */
  accountName?: string | undefined;
  /** One of the account's two keys, Base64. Signs requests and URLs. */
  accountKey?: string | undefined;
  /** A shared access signature for the container or the account: the query, with or without `?`. */
  sasToken?: string | undefined;
  /** Needs an `https` URL. */
  credential?: AzureTokenCredential | undefined;
  /** Connections open at once; further requests wait. Default 256, or four times `concurrency` where that is more. */
  maxSockets?: number | undefined;
  /**
   * A client that you have made, used as it is: its credentials, retries and connections hold, it knows no `timeout`, and
   * closing the storage does not close it.
   */
  client?: ContainerClient | undefined;
  /**
   * How what is asked for often is sent: `'direct'` by requests of the driver's own, in the name of `client`, which cost a fraction
   * of the processor's time; `'sdk'` through the pipeline of `client`. Default `'direct'`; a client that was given is always
   * asked through its pipeline, and so is one behind a proxy of the environment (`HTTPS_PROXY`).
   */
  engine?: 'direct' | 'sdk' | undefined;
}
