// The README's example as an app of each kind, with resumable uploads beside it, over HTTP.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Consumer } from './consumer.js';

const MAIN = `import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TusModule } from 'nestjs-storages/tus';
import { AppModule } from './app.module.js';
import { StoredPhotosController } from './stored-photos.controller.js';

@Module({
  imports: [
    AppModule,
    TusModule.forRoot({
      signingKeys: [{ id: 'one', secret: 'a secret of at least thirty-two bytes' }],
      maxSize: '1gb',
      accept: ['image/*'],
    }),
  ],
  controllers: [StoredPhotosController],
})
class MainModule {}

async function start(): Promise<void> {
  const adapter =
    process.env['HTTP_FRAMEWORK'] === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = await NestFactory.create(MainModule, adapter, { logger: ['error', 'warn'] });
  app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  console.log(await app.getUrl());
}

void start();
`;

/** Another entry point than the one that stores: what the one tells, the other must hear. */
const INSTRUMENTED = `import { deepEqual } from 'node:assert/strict';
import { trace, type TracerProvider } from '@opentelemetry/api';
import { openStorage } from 'nestjs-storages';
import { instrumentStorages, type StorageInstrumentationOptions } from 'nestjs-storages/opentelemetry';

const silent = trace.getTracer('silent');
const spans: string[] = [];
const tracerProvider: TracerProvider = {
  getTracer: () => ({
    startSpan(name, options, context) {
      spans.push(name);
      return silent.startSpan(name, options, context);
    },
    startActiveSpan: silent.startActiveSpan.bind(silent),
  }),
};

async function store(): Promise<void> {
  const options: StorageInstrumentationOptions = { tracerProvider };
  const stop = instrumentStorages(options);
  const storage = await openStorage('files', { driver: 'memory' });
  await storage.put('a', 'hello');
  stop();
  await storage.close();
  deepEqual(spans, ['open files', 'put files']);
}

void store();
`;

const STRICT = {
  target: 'es2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  outDir: 'dist',
  rootDir: 'src',
  types: ['node'],
};

/** Nest 11, compiled to CommonJS by a TypeScript and with the settings that its command line gave to new apps. */
export const NEST_11_COMMONJS = {
  name: 'Nest 11, CommonJS',
  folder: 'nest-11-commonjs',
  type: 'commonjs',
  dependencies: {
    '@nestjs/common': '11.2.10',
    '@nestjs/core': '11.2.10',
    '@nestjs/platform-express': '11.2.10',
    '@nestjs/platform-fastify': '11.2.8',
    '@opentelemetry/api': '1.9.1',
    '@tus/server': '2.4.5',
    '@types/node': '22.20.5',
    'reflect-metadata': '0.2.2',
    rxjs: '7.8.2',
    typescript: '5.9.3',
  },
  // As `nest new` sets it, and needed without the AWS SDK: the options of the s3 driver name its client's type.
  compilerOptions: {
    ...STRICT,
    module: 'commonjs',
    moduleResolution: 'node10',
    skipLibCheck: true,
  },
};

/** Nest 12, ES modules, with every declaration file checked: ours, too. */
export const NEST_12_ESM = {
  name: 'Nest 12, ESM',
  folder: 'nest-12-esm',
  type: 'module',
  dependencies: {
    '@aws-sdk/client-s3': '3.1169.0',
    '@azure/storage-blob': '12.34.0',
    '@google-cloud/storage': '8.4.0',
    '@nestjs/common': '12.5.1',
    '@nestjs/core': '12.5.1',
    '@nestjs/platform-express': '12.5.1',
    '@nestjs/platform-fastify': '12.5.0',
    '@opentelemetry/api': '1.9.1',
    '@tus/server': '2.4.5',
    '@types/express': '5.0.6',
    '@types/node': '24.19.0',
    'reflect-metadata': '0.2.2',
    rxjs: '7.8.2',
    typescript: '6.0.3',
  },
  compilerOptions: { ...STRICT, module: 'nodenext', moduleResolution: 'nodenext' },
};

/** Installs and compiles the app, in a folder of its own. */
export async function buildApp({ tarball, repository, work }, app) {
  const { folder, type, dependencies, compilerOptions } = app;
  const consumer = await Consumer.create(work, folder, { type, tarball, dependencies });
  const [upload, serving] = await readmeSnippets(repository);
  await consumer.write('src/app.module.ts', upload);
  await consumer.write('src/stored-photos.controller.ts', serving);
  await consumer.write('src/main.ts', MAIN);
  await consumer.write('src/instrumented.ts', INSTRUMENTED);
  await consumer.write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['src'] }));
  await consumer.install();
  await consumer.node('node_modules/typescript/bin/tsc');
  return consumer;
}

/** The first two TypeScript blocks of the README: the upload, and reading it back. */
async function readmeSnippets(repository) {
  const readme = await readFile(join(repository, 'README.md'), 'utf8');
  return [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
}

/**
 * Starts the app, with nothing stored yet, and stops it when `use(url, folder)` is done.
 *
 * @param node the Node.js that it runs on
 * @param httpFramework `'express'` or `'fastify'`
 */
export async function running(
  consumer,
  use,
  { node = process.execPath, httpFramework = 'express' } = {},
) {
  await rm(join(consumer.folder, 'var'), { recursive: true, force: true });
  const child = spawn(node, ['dist/main.js'], {
    cwd: consumer.folder,
    env: { ...process.env, NODE_OPTIONS: '', HTTP_FRAMEWORK: httpFramework },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (text) => (errors += text));
  try {
    for await (const url of createInterface(child.stdout)) return await use(url, consumer.folder);
    throw new Error(`The app did not start:\n${errors}`);
  } finally {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}
