import type { ModuleMetadata } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { createHash } from 'node:crypto';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import type { Storage } from '../../lib/core/storage.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import type { StorageModuleOptions } from '../../lib/interfaces/storage-module-options.interface.js';
import { StorageModule } from '../../lib/storage.module.js';
import { getStorageToken } from '../../lib/storage.tokens.js';
import { TusModule, type TusModuleOptions } from '../../lib/tus/index.js';
import { type AppSettings, startApp, type TestApp } from '../nest/app-fixture.js';
import { type Answer, send } from '../nest/http-client.js';

export const ADAPTERS: Readonly<Record<string, () => AbstractHttpAdapter>> = {
  Express: () => new ExpressAdapter(),
  Fastify: () => new FastifyAdapter(),
};

export const signingKeys = [{ id: 'one', secret: 'a secret of at least thirty-two bytes' }];

export interface TusApp extends TestApp {
  readonly storage: Storage;
  readonly endpoint: string;
  /** A request with the headers that every one has. */
  readonly tus: (
    method: string,
    path: string,
    headers?: Record<string, string>,
    body?: string | Buffer,
  ) => Promise<Answer>;
  /** The path of a new upload. */
  readonly create: (length: number, headers?: Record<string, string>) => Promise<string>;
  readonly append: (
    path: string,
    offset: number,
    body: string | Buffer,
    headers?: Record<string, string>,
  ) => Promise<Answer>;
}

export interface TusSetup extends AppSettings {
  readonly configuration?: StorageConfiguration;
  readonly options?: Partial<TusModuleOptions<any>>;
  readonly metadata?: ModuleMetadata;
  readonly settings?: Pick<StorageModuleOptions, 'shutdownTimeout'>;
}

/** An app that takes uploads at `/files`. */
export async function startTus({
  configuration = { driver: 'memory' },
  options = {},
  metadata = {},
  settings = {},
  ...appSettings
}: TusSetup = {}): Promise<TusApp> {
  const started = await startApp(
    {
      ...metadata,
      imports: [
        StorageModule.forRoot({ storages: { uploads: configuration }, ...settings }),
        TusModule.forRoot({ signingKeys, maxSize: '1gb', drainTimeout: 1, ...options }),
        ...(metadata.imports ?? []),
      ],
    },
    appSettings,
  );
  return {
    ...started,
    ...tusClient(started.port),
    storage: started.app.get<Storage>(getStorageToken('uploads')),
  };
}

/** What a client of the protocol sends. */
export function tusClient(port: number): Pick<TusApp, 'endpoint' | 'tus' | 'create' | 'append'> {
  const tus: TusApp['tus'] = (method, path, headers = {}, body) => {
    const sent = { 'Tus-Resumable': '1.0.0', ...headers };
    return send(port, path, { method, headers: sent, ...(body !== undefined && { body }) });
  };
  return {
    endpoint: `http://127.0.0.1:${port}/files`,
    tus,
    async create(length, headers = {}) {
      const answer = await tus('POST', '/files', { 'Upload-Length': String(length), ...headers });
      expect([answer.status, answer.text]).toEqual([201, '']);
      return answer.headers.location!;
    },
    append: (path, offset, body, headers = {}) =>
      tus('PATCH', path, { ...CHUNK, 'Upload-Offset': String(offset), ...headers }, body),
  };
}

export const CHUNK = { 'Content-Type': 'application/offset+octet-stream' };

/** A value of `Upload-Metadata`. */
export function metadataHeader(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata)
    .map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`)
    .join(',');
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Every file that is published. */
export async function published(storage: Storage): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list()) keys.push(key);
  return keys;
}

/** Every file in the staging area. */
export function staged(storage: Storage): Promise<string[]> {
  return published(storage.staging());
}

/** The driver for one of several apps: closing the app does not close it. */
export function shared(driver: StorageDriver): StorageDriver {
  return new Proxy(driver, {
    get(target, name) {
      if (name === 'close') return async () => {};
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}
