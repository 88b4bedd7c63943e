import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Storage } from '../../../lib/core/storage.js';
import type { StorageConfiguration } from '../../../lib/drivers/driver-options.js';
import { createStorage } from '../../../lib/drivers/open-storage.js';

const STORAGES: Readonly<Record<string, (endpoint: string) => StorageConfiguration>> = {
  s3: (endpoint) => ({ ...s3(endpoint) }),
  's3 by the SDK': (endpoint) => ({ ...s3(endpoint), engine: 'sdk' }),
  gcs: (endpoint) => ({ driver: 'gcs', bucket: 'bucket', apiEndpoint: endpoint }),
  azure: (endpoint) => ({
    driver: 'azure',
    container: 'container',
    accountUrl: `${endpoint}/account`,
    accountName: 'account',
    accountKey: Buffer.from('key').toString('base64'),
  }),
};

function s3(endpoint: string) {
  return {
    driver: 's3',
    bucket: 'bucket',
    endpoint,
    region: 'us-east-1',
    accessKeyId: 'id',
    secretAccessKey: 'secret',
  } as const;
}

const CALLS: Readonly<Record<string, (storage: Storage) => Promise<unknown>>> = {
  put: (storage) => storage.put('key', 'text'),
  get: (storage) => storage.getBytes('key'),
  info: (storage) => storage.info('key'),
  listPage: (storage) => storage.listPage(),
  delete: (storage) => storage.delete('key'),
  deleteMany: (storage) => storage.deleteMany(['a', 'b']),
};

interface Odd extends AsyncDisposable {
  readonly endpoint: string;
}

/** Something that answers whatever is sent to it. */
async function startOdd(answer: (socket: Socket) => void): Promise<Odd> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('close', () => sockets.delete(socket));
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const retry = { maxRetries: 0 };

describe.each(Object.entries(STORAGES))('an answer that is no HTTP, to %s,', (_, configure) => {
  test.each(Object.entries(CALLS))(
    'is a connection that failed of %s, which may be tried again',
    async (_name, call) => {
      await using odd = await startOdd((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n'));
      await using storage = createStorage('files', { ...configure(odd.endpoint), retry });
      await expect(call(storage)).rejects.toMatchObject({
        code: 'CONNECTION_FAILED',
        retryable: true,
        message: expect.stringMatching(
          /does not speak HTTP .* check the scheme .* \(HPE_\w+\)/,
        ) as unknown,
      });
    },
  );
});

const ENDLESS = Object.entries(STORAGES).filter(([name]) => name !== 's3 by the SDK');

describe.each(ENDLESS)('an answer that never ends, to %s,', (_, configure) => {
  test.each(
    [200, 500].flatMap((status) =>
      (['put', 'listPage', 'delete', 'deleteMany'] as const).map((name) => [name, status] as const),
    ),
  )('is not gathered without end: %s, %i', async (name, status) => {
    const chunk = Buffer.alloc(4 * 1024 ** 2, ' ');
    await using odd = await startOdd((socket) => {
      socket.write(`HTTP/1.1 ${status} X\r\nx-ms-request-id: id\r\ncontent-type: text/xml\r\n\r\n`);
      const pour = (): void => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pour);
      pour();
    });
    await using storage = createStorage('files', { ...configure(odd.endpoint), retry });
    await expect(CALLS[name]!(storage)).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      retryable: false,
      message: expect.stringContaining('is no file') as unknown,
    });
  });
});
