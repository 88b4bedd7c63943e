import { randomUUID } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';
import type { Type } from '@nestjs/common';
import type { Storage } from '../../lib/core/storage.js';
import { DirectUploads } from '../../lib/direct/direct-uploads.js';
import { DirectUploadsModule } from '../../lib/direct/direct-uploads.module.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import type { DirectUploadsOptions } from '../../lib/interfaces/direct-uploads-options.interface.js';
import { StorageModule } from '../../lib/storage.module.js';
import { getStorageToken } from '../../lib/storage.tokens.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import {
  type CorsRule,
  startS3Server,
  type S3TestServer,
} from '../../lib/testing/s3-server/index.js';
import { startAzurite } from '../drivers/azure/azurite.js';
import { clientOf } from '../drivers/gcs/open-gcs.js';
import { type AppSettings, startApp, type TestApp } from '../nest/app-fixture.js';
import { type Answer, send } from '../nest/http-client.js';
import { ADAPTERS, configurationOf, signingKeys } from '../routes/routes-fixture.js';

/** What a storage is opened with, and what there is to end afterwards. */
export interface Backend extends AsyncDisposable {
  readonly configuration: StorageConfiguration;
  readonly s3?: S3TestServer;
}

/** As docs/direct-uploads.md has it. */
const CORS: CorsRule = {
  allowedOrigins: ['http://localhost:*'],
  allowedMethods: ['PUT', 'POST'],
  allowedHeaders: ['*'],
  exposeHeaders: ['ETag'],
};

const nothing = async (): Promise<void> => {};

export const BACKENDS: Readonly<Record<string, () => Promise<Backend>>> = {
  memory: async () => ({
    configuration: await configurationOf('memory'),
    [Symbol.asyncDispose]: nothing,
  }),
  local: async () => ({
    configuration: await configurationOf('local'),
    [Symbol.asyncDispose]: nothing,
  }),
  s3: () => s3Backend('aws'),
  // A service without create-only writes, so that whoever has a URL can replace what was sent with it.
  'generic s3': () => s3Backend('generic'),
  async gcs() {
    const server = await startGcsServer({ buckets: ['files'], cors: [CORS] });
    return {
      configuration: { driver: 'gcs', bucket: 'files', client: clientOf(server) },
      [Symbol.asyncDispose]: () => server.close(),
    };
  },
  async azure() {
    const azurite = await startAzurite();
    const { connectionString } = azurite;
    const container = randomUUID();
    const service = BlobServiceClient.fromConnectionString(connectionString);
    await service.setProperties({
      cors: [
        {
          allowedOrigins: '*',
          allowedMethods: 'PUT',
          allowedHeaders: '*',
          exposedHeaders: '',
          maxAgeInSeconds: 0,
        },
      ],
    });
    await service.createContainer(container);
    return {
      configuration: { driver: 'azure', container, connectionString },
      [Symbol.asyncDispose]: () => azurite[Symbol.asyncDispose](),
    };
  },
};

async function s3Backend(provider: 'aws' | 'generic'): Promise<Backend> {
  const server = await startS3Server({
    provider,
    buckets: ['files'],
    cors: [CORS],
    defaultChecksum: 'none',
  });
  return {
    s3: server,
    configuration: {
      driver: 's3',
      provider,
      bucket: 'files',
      endpoint: server.endpoint,
      region: server.region,
      forcePathStyle: true,
      ...server.credentials,
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** A picture of one pixel, by its header. */
export const PNG = Buffer.from(
  '89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de',
  'hex',
);

export interface DirectApp extends TestApp {
  readonly storage: Storage;
  readonly uploads: DirectUploads;
  /** A request of the user, with a body of JSON. */
  call(method: string, path: string, body?: unknown, user?: string): Promise<Answer>;
  /** What lies in the staging area. */
  staged(): Promise<string[]>;
  /** What is published. */
  keys(): Promise<string[]>;
}

export type DirectRequest = { readonly headers: Readonly<Record<string, string | undefined>> };

/** An app with direct uploads, where the header `x-user` tells who makes a request. */
export async function startDirect(
  configuration: StorageConfiguration,
  options: Partial<DirectUploadsOptions<DirectRequest>> = {},
  {
    adapter = 'Express',
    controllers = [],
    imports = [],
    shutdownTimeout,
    ...settings
  }: {
    adapter?: string;
    controllers?: Type[];
    /** Of the module of the uploads. */
    imports?: Type[];
    shutdownTimeout?: number;
  } & Omit<AppSettings, 'adapter'> = {},
): Promise<DirectApp> {
  const started = await startApp(
    {
      controllers,
      imports: [
        StorageModule.forRoot({
          storages: { files: configuration },
          routes: { signingKeys },
          ...(shutdownTimeout !== undefined && { shutdownTimeout }),
        }),
        DirectUploadsModule.forRoot<DirectRequest>({
          owner: ({ headers }) => headers['x-user'] ?? 'nobody',
          signingKeys,
          imports,
          ...options,
        }),
      ],
    },
    { ...settings, adapter: ADAPTERS[adapter]!() },
  );
  const storage = started.app.get<Storage>(getStorageToken('files'));
  return {
    ...started,
    storage,
    uploads: started.app.get(DirectUploads),
    call: (method, path, body, user = 'ada') =>
      send(started.port, path, {
        method,
        headers: {
          'x-user': user,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    staged: () => stagedIn(storage.staging()),
    keys: () => keysOf(storage),
  };
}

/** What is left of uploads; that one is over may be written there, and its id, by which the client may ask once more. */
async function stagedIn(staging: Storage): Promise<string[]> {
  const keys = await keysOf(staging);
  const notes = await Promise.all(
    keys
      .filter((key) => key.endsWith('.claim'))
      .map(async (key) => [key, (await staging.getBytes(key)).toString()] as const),
  );
  const over = notes
    .filter(([, note]) => /"state":"(?:completed|cancelled)"/.test(note))
    .flatMap(([key]) => [key, key.replace(/claim$/, 'id')]);
  return keys.filter((key) => !over.includes(key));
}

export async function keysOf(storage: Storage): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list()) keys.push(key);
  return keys;
}

/** What a browser does with the answer: sends the bytes as it says, and nothing else. */
export async function put(
  { url, headers }: { url: string; headers: Record<string, string> },
  body: Uint8Array,
): Promise<Response> {
  const answer = await fetch(url, {
    method: 'PUT',
    headers,
    body: new Blob([new Uint8Array(body)]),
  });
  await answer.arrayBuffer();
  return answer;
}
