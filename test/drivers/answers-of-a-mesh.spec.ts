import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import type { AzureStorageOptions } from '../../lib/drivers/azure/azure.options.js';
import type { S3StorageOptions } from '../../lib/drivers/s3/s3.options.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { openDriver as openAzure } from './azure/open-azure.js';
import { connectionString, startAzurite } from './azure/azurite.js';
import { clientOf, openDriver as openGcs } from './gcs/open-gcs.js';
import { putOptions, read, signal } from './driver-calls.js';
import { openDriver as openS3 } from './s3/open-s3.js';

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body?: string;
}

/** What the client is told when the connection to the service has ended, none of it in the service's own words. */
const ANSWERS: readonly (readonly [of: string, answer: Answer])[] = [
  [
    'Envoy',
    {
      status: 503,
      type: 'text/plain',
      body: 'upstream connect error or disconnect/reset before headers. reset reason: connection termination',
    },
  ],
  ['a proxy with a page', { status: 503, type: 'text/html', body: '<html><h1>503</h1></html>' }],
  ['a proxy without words', { status: 503 }],
  ['a proxy that has waited too long', { status: 408 }],
];

interface Mesh extends AsyncDisposable {
  readonly endpoint: string;
  /** The write that comes next is done, and this is what the client is told of it. */
  answerNextWrite(answer: Answer): void;
}

/** Passes requests on as they are, the `Host` that is signed included. */
async function startMesh(target: string): Promise<Mesh> {
  const { hostname, port } = new URL(target);
  let instead: Answer | undefined;
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const onward = request({ hostname, port, method, path: url, headers, agent: false });
    onward.on('response', (answer) => {
      if (!instead || (method !== 'PUT' && method !== 'POST')) {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      const { status, type, body } = instead;
      instead = undefined;
      answer.resume().on('end', () => {
        outgoing.writeHead(status, { ...(type && { 'content-type': type }) }).end(body);
      });
    });
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answerNextWrite(answer) {
      instead = answer;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Opened {
  readonly mesh: Mesh;
  readonly driver: StorageDriver;
  readonly close: () => Promise<void>;
}

const s3 = (engine: string) => async (): Promise<Opened> => {
  const server = await startS3Server({ buckets: ['bucket'] });
  const mesh = await startMesh(server.endpoint);
  const { endpoint } = mesh;
  const options = { endpoint, engine } as Partial<S3StorageOptions>;
  return { mesh, driver: await openS3(server, options), close: () => server.close() };
};

const azure = (engine: string) => async (): Promise<Opened> => {
  const azurite = await startAzurite();
  const mesh = await startMesh(new URL(azurite.endpoint).origin);
  const account = connectionString(mesh.endpoint + new URL(azurite.endpoint).pathname);
  const options = { container: 'files', connectionString: account, engine };
  const driver = await openAzure(options as Partial<AzureStorageOptions>);
  await driver.client.create();
  return { mesh, driver, close: async () => azurite[Symbol.asyncDispose]() };
};

const OPEN: Readonly<Record<string, () => Promise<Opened>>> = {
  's3, by the engine of its own': s3('direct'),
  's3, by the SDK': s3('sdk'),
  async gcs() {
    const server = await startGcsServer({ buckets: ['bucket'] });
    const mesh = await startMesh(server.endpoint);
    const clientOptions = { ...server.clientOptions, apiEndpoint: mesh.endpoint };
    const client = clientOf({ clientOptions });
    return { mesh, driver: await openGcs(server, { client }), close: () => server.close() };
  },
  'azure, by the engine of its own': azure('direct'),
  'azure, by the SDK': azure('sdk'),
};

describe.each(Object.keys(OPEN))('a create-only write that was done, on %s', (name) => {
  let opened: Opened;
  beforeAll(async () => {
    opened = await OPEN[name]!();
  });
  afterAll(async () => {
    await opened.driver.close();
    await opened.mesh[Symbol.asyncDispose]();
    await opened.close();
  });

  test.each(ANSWERS)('is known for one whatever %s says', async (of, answer) => {
    const { mesh, driver } = opened;
    mesh.answerNextWrite(answer);
    const file = await driver.put(of, Buffer.from('mine'), putOptions({ ifNoneMatch: '*' }));
    expect(file.etag).toBe((await driver.info(of, { signal })).etag);
    expect(String(await read(await driver.get(of, { signal })))).toBe('mine');
  });
});
