// The README's example as an app of each kind, with resumable uploads beside it, over HTTP.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Consumer } from './consumer.js';
import { resumableRoundTrip, uploadRoundTrip } from './upload-round-trip.js';

const MAIN = `import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
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
  const app = await NestFactory.create(MainModule, { logger: ['error', 'warn'] });
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
export function commonJsApp(check, place) {
  return nestApp(check, place, {
    name: 'Nest 11, CommonJS',
    folder: 'nest-11-commonjs',
    type: 'commonjs',
    dependencies: {
      '@nestjs/common': '11.2.10',
      '@nestjs/core': '11.2.10',
      '@nestjs/platform-express': '11.2.10',
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
  });
}

/** Nest 12, ES modules, with every declaration file checked: ours, too. */
export function esModuleApp(check, place) {
  return nestApp(check, place, {
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
      '@opentelemetry/api': '1.9.1',
      '@tus/server': '2.4.5',
      '@types/node': '24.19.0',
      'reflect-metadata': '0.2.2',
      rxjs: '7.8.2',
      typescript: '6.0.3',
    },
    compilerOptions: { ...STRICT, module: 'nodenext', moduleResolution: 'nodenext' },
  });
}

async function nestApp(check, { tarball, repository, work }, app) {
  const { name, folder, type, dependencies, compilerOptions } = app;
  const consumer = await Consumer.create(work, folder, { type, tarball, dependencies });
  await check(`${name}: installs and compiles, strict`, async () => {
    const [upload, serving] = await readmeSnippets(repository);
    await consumer.write('src/app.module.ts', upload);
    await consumer.write('src/stored-photos.controller.ts', serving);
    await consumer.write('src/main.ts', MAIN);
    await consumer.write('src/instrumented.ts', INSTRUMENTED);
    await consumer.write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['src'] }));
    await consumer.install();
    await consumer.node('node_modules/typescript/bin/tsc');
  });
  await check(`${name}: the README's example stores, serves and deletes over HTTP`, () =>
    running(consumer, uploadRoundTrip),
  );
  await check(`${name}: nestjs-storages/opentelemetry makes spans of what is stored`, () =>
    consumer.node('dist/instrumented.js'),
  );
  await check(`${name}: an upload is resumed by tus`, () => running(consumer, resumableRoundTrip));
}

/** The first two TypeScript blocks of the README: the upload, and reading it back. */
async function readmeSnippets(repository) {
  const readme = await readFile(join(repository, 'README.md'), 'utf8');
  return [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
}

async function running(consumer, use) {
  const child = spawn(process.execPath, ['dist/main.js'], {
    cwd: consumer.folder,
    env: { ...process.env, NODE_OPTIONS: '' },
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
