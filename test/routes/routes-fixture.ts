import type { ModuleMetadata } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Storage } from '../../lib/core/storage.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import type { StorageModuleOptions } from '../../lib/interfaces/storage-module-options.interface.js';
import type { StorageRoutesOptions } from '../../lib/interfaces/storage-routes-options.interface.js';
import { StorageModule } from '../../lib/storage.module.js';
import { getStorageToken } from '../../lib/storage.tokens.js';
import { type AppSettings, startApp, type TestApp, until } from '../nest/app-fixture.js';
import type { Answer } from '../nest/http-client.js';

export const ADAPTERS: Readonly<Record<string, () => AbstractHttpAdapter>> = {
  Express: () => new ExpressAdapter(),
  Fastify: () => new FastifyAdapter(),
};

/** Each driver that has the routes to thank for its URLs, on each adapter. */
export const CASES = Object.keys(ADAPTERS).flatMap((adapter) =>
  ['memory', 'local'].map((driver) => [driver, adapter] as const),
);

export const signingKeys = [{ id: 'one', secret: 'a secret of at least thirty-two bytes' }];

/** The answer to every request that no signature allows. */
export const REFUSAL = {
  status: 403,
  body: JSON.stringify({
    statusCode: 403,
    message: 'The URL is not valid, or not any more; ask for a new one',
    code: 'URL_REFUSED',
  }),
};

export interface RoutesApp extends TestApp {
  readonly storage: Storage;
}

export interface RoutesSettings extends AppSettings {
  configuration?: StorageConfiguration;
  routes?: StorageRoutesOptions;
  metadata?: ModuleMetadata;
  settings?: Pick<StorageModuleOptions, 'shutdownTimeout'>;
}

/** An app that serves the signed URLs of a storage named `uploads`. */
export async function startRoutes({
  configuration = { driver: 'memory' },
  routes = { signingKeys },
  metadata = {},
  settings = {},
  ...appSettings
}: RoutesSettings = {}): Promise<RoutesApp> {
  const started = await startApp(
    {
      ...metadata,
      imports: [
        StorageModule.forRoot({ storages: { uploads: configuration }, routes, ...settings }),
        ...(metadata.imports ?? []),
      ],
    },
    appSettings,
  );
  return { ...started, storage: started.app.get<Storage>(getStorageToken('uploads')) };
}

const folders: string[] = [];

/** What a storage of the driver needs to be opened; a folder of its own for `local`. */
export async function configurationOf(driver: string): Promise<StorageConfiguration> {
  if (driver === 'memory') return { driver: 'memory' };
  const root = await mkdtemp(join(tmpdir(), 'routes-'));
  folders.push(root);
  return { driver: 'local', root, durability: 'none' };
}

/** For `afterEach`, after the apps are closed. */
export async function removeFolders(): Promise<void> {
  await Promise.all(
    folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })),
  );
}

/** The path and query of a URL, as a request line has them. */
export function targetOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

export async function answerOf(sent: Promise<Answer>): Promise<{ status: number; body: string }> {
  const { status, text } = await sent;
  return { status, body: text };
}

/** Resolves when the server has no connection any more. */
export function allGone({ app }: TestApp): Promise<void> {
  const server = app.getHttpServer() as Server;
  const count = promisify(server.getConnections.bind(server));
  return until(async () => (await count()) === 0);
}
