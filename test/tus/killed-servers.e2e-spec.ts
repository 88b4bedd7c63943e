import { ContainerClient } from '@azure/storage-blob';
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Storage } from '../../lib/core/storage.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { startAzurite } from '../drivers/azure/azurite.js';
import { clientOf as gcsClientOf } from '../drivers/gcs/open-gcs.js';
import type { KilledServerOptions } from './killed-server.js';
import { uploadAll } from './tus-clients.js';
import { published, sha256, staged } from './tus-fixture.js';

const MiB = 1024 * 1024;
const here = (name: string): string => join(import.meta.dirname, name);

interface Backend extends AsyncDisposable {
  readonly server: Omit<KilledServerOptions, 'adapter' | 'partSize'>;
  /** The same files, from here. */
  readonly storage: Storage;
}

const BACKENDS: Readonly<Record<string, () => Promise<Backend>>> = {
  async local() {
    const root = await mkdtemp(join(tmpdir(), 'killed-servers-'));
    const configuration = { driver: 'local', root } as const;
    const storage = await openStorage('uploads', configuration);
    return {
      server: { configuration },
      storage,
      async [Symbol.asyncDispose]() {
        await storage.close();
        await rm(root, { recursive: true, force: true });
      },
    };
  },

  async s3() {
    const server = await startS3Server();
    const configuration = {
      driver: 's3',
      provider: 'aws',
      bucket: 'bucket',
      region: server.region,
      endpoint: server.endpoint,
      forcePathStyle: true,
      ...server.credentials,
    } as const;
    const storage = await openStorage('uploads', configuration);
    return {
      server: { configuration },
      storage,
      async [Symbol.asyncDispose]() {
        await storage.close();
        expect(server.multipartUploads('bucket')).toEqual([]);
        await server.close();
      },
    };
  },

  async gcs() {
    const server = await startGcsServer();
    const configuration = { driver: 'gcs', bucket: 'bucket' } as const;
    const storage = await openStorage('uploads', { ...configuration, client: gcsClientOf(server) });
    const { apiEndpoint, projectId, credentials } = server.clientOptions;
    return {
      server: { configuration, gcs: { apiEndpoint, projectId, credentials } },
      storage,
      async [Symbol.asyncDispose]() {
        await storage.close();
        await server.close();
      },
    };
  },

  async azure() {
    const azurite = await startAzurite();
    const { connectionString } = azurite;
    await new ContainerClient(connectionString, 'uploads').create();
    const configuration = { driver: 'azure', container: 'uploads', connectionString } as const;
    const storage = await openStorage('uploads', configuration);
    return {
      server: { configuration },
      storage,
      async [Symbol.asyncDispose]() {
        await storage.close();
        await azurite[Symbol.asyncDispose]();
      },
    };
  },
};

test.each([
  ['local', 'Express'],
  ['s3', 'Fastify'],
  ['gcs', 'Express'],
  ['azure', 'Fastify'],
])('a client goes on after the server was killed, on %s', async (driver, adapter) => {
  await using backend = await BACKENDS[driver]!();
  await using servers = await KilledServers.start({
    ...backend.server,
    adapter,
    partSize: 5 * MiB,
  });
  const bytes = randomBytes(17 * MiB);
  const methods: string[] = [];
  const resumedAt: number[] = [];
  await uploadAll(bytes, {
    endpoint: servers.endpoint,
    chunkSize: 6 * MiB,
    // Between two chunks for the server, while the client sends the second one.
    onChunkComplete: (_size, accepted) => void (accepted === 6 * MiB && servers.kill()),
    onAfterResponse(request, response) {
      methods.push(request.getMethod());
      if (request.getMethod() !== 'HEAD') return;
      resumedAt.push(Number(response.getHeader('Upload-Offset')));
    },
  });
  expect(servers.killed).toBe(1);
  expect(methods.filter((method) => method === 'POST')).toHaveLength(1);
  // What the client was told is there, and perhaps more: what came between two answers.
  expect(resumedAt).toHaveLength(1);
  expect(resumedAt[0]).toBeGreaterThanOrEqual(6 * MiB);
  const [key, ...others] = await published(backend.storage);
  expect(others).toEqual([]);
  expect(sha256(await backend.storage.getBytes(key!))).toBe(sha256(bytes));
  expect(await staged(backend.storage)).toEqual([expect.stringMatching(/\.json$/)]);
});

test('in memory nothing survives, and the client begins anew', async () => {
  const configuration = { driver: 'memory' } as const;
  await using servers = await KilledServers.start({
    configuration,
    adapter: 'Express',
    partSize: 100_000,
  });
  const answers: string[] = [];
  await uploadAll(randomBytes(500_000), {
    endpoint: servers.endpoint,
    chunkSize: 200_000,
    onChunkComplete: (_size, accepted) => {
      if (accepted === 200_000 && servers.killed === 0) servers.kill();
    },
    onAfterResponse: (request, response) =>
      void answers.push(`${request.getMethod()} ${response.getStatus()}`),
  });
  expect(answers).toEqual([
    'POST 201',
    'PATCH 204',
    'HEAD 404',
    'POST 201',
    'PATCH 204',
    'PATCH 204',
    'PATCH 204',
  ]);
});

/** A server and the one that takes its place, each in a process of its own, behind one address. */
class KilledServers implements AsyncDisposable {
  #servers: readonly ChildProcess[] = [];
  #ports: readonly number[] = [];
  #killed = 0;

  private constructor(private readonly front: Server) {
    front.on('connection', (client) => {
      const server = connect(this.#ports[this.#killed]!, '127.0.0.1');
      for (const socket of [client, server]) socket.on('error', () => {});
      server.once('close', () => client.destroy());
      client.once('close', () => server.destroy());
      client.pipe(server).pipe(client);
    });
  }

  static async start(options: KilledServerOptions): Promise<KilledServers> {
    const servers = new KilledServers(createServer());
    servers.#servers = [options, options].map(startServer);
    servers.#ports = await Promise.all(servers.#servers.map(portOf));
    servers.front.listen(0, '127.0.0.1');
    await once(servers.front, 'listening');
    return servers;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.front.address() as AddressInfo).port}/files`;
  }

  get killed(): number {
    return this.#killed;
  }

  /** Kills the first server, at once. */
  kill(): void {
    this.#servers[this.#killed++]!.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.kill('SIGKILL');
    this.front.close();
    await once(this.front, 'close');
  }
}

function startServer(options: KilledServerOptions): ChildProcess {
  return fork(here('killed-server.ts'), [JSON.stringify(options)], {
    execArgv: [`--import=${pathToFileURL(here('../leaks/register.js')).href}`, '--no-warnings'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

/** @throws when it ends before it says so */
async function portOf(server: ChildProcess): Promise<number> {
  const [said] = (await Promise.race([once(server, 'message'), once(server, 'exit')])) as unknown[];
  if (server.exitCode === null && server.signalCode === null) return said as number;
  throw new Error(`The server ended: ${String(said)}`);
}
