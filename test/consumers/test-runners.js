// An app's own tests, under the test runners that Nest apps have.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Consumer } from '../package/consumer.js';

/** The same file under all of them, in TypeScript with decorators. It needs no metadata, which not every compiler emits. */
const SPEC = `import 'reflect-metadata';
import { Controller, Get, Param, Post, UploadedFile, UseInterceptors } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { getStorageToken, InjectStorage, ServedFile, Storage, StorageFileInterceptor, StorageModule } from 'nestjs-storages';
import { FakeStorage, StorageTestingModule } from 'nestjs-storages/testing';
import { instrumentStorages } from 'nestjs-storages/opentelemetry';
import { TusModule } from 'nestjs-storages/tus';

instrumentStorages();

@Controller('texts')
class TextsController {
  constructor(@InjectStorage('files') private readonly files: Storage) {}

  @Post()
  @UseInterceptors(StorageFileInterceptor('text', { storage: 'files' }))
  add(@UploadedFile() text: any) {
    return text.stored;
  }

  @Get(':key')
  show(@Param('key') key: string) {
    return new ServedFile(this.files, key);
  }
}

const real = (driver: any) => StorageModule.forRoot({ storages: { files: driver } });

test.each([
  ['memory', () => real({ driver: 'memory' })],
  ['local', () => real({ driver: 'local', root: './var/files' })],
  ['a fake', () => StorageTestingModule.forRoot({ storages: [new FakeStorage('files')] })],
])('an upload into %s is stored and served', async (_name, storages) => {
  const testing = await Test.createTestingModule({ imports: [storages()], controllers: [TextsController] }).compile();
  const app = testing.createNestApplication();
  await app.listen(0, '127.0.0.1');
  try {
    const url = (await app.getUrl()) + '/texts';
    const form = new FormData();
    form.append('text', new Blob(['hello'], { type: 'text/plain' }), 'a.txt');
    const created = await fetch(url, { method: 'POST', body: form });
    expect(created.status).toBe(201);
    const { key } = (await created.json()) as { key: string };
    const served = await fetch(url + '/' + key);
    expect(await served.text()).toBe('hello');
  } finally {
    await app.close();
  }
});

test('a resumable upload is stored', async () => {
  const uploaded: string[] = [];
  const testing = await Test.createTestingModule({
    imports: [
      real({ driver: 'memory' }),
      TusModule.forRoot({
        storage: 'files',
        maxSize: '1mb',
        signingKeys: [{ id: 'one', secret: 'a secret of at least thirty-two bytes' }],
        onUploaded: async (file: any) => void uploaded.push(String(await testing.get(getStorageToken('files')).getBytes(file.key))),
      }),
    ],
  }).compile();
  const app = testing.createNestApplication();
  await app.listen(0, '127.0.0.1');
  try {
    const url = await app.getUrl();
    const tus = (path: string, method: string, headers: object, body?: string) =>
      fetch(new URL(path, url), { method, headers: { 'tus-resumable': '1.0.0', ...headers }, body });
    const created = await tus('/files', 'POST', { 'upload-length': '5' });
    expect(created.status).toBe(201);
    const headers = { 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' };
    const appended = await tus(created.headers.get('location')!, 'PATCH', headers, 'hello');
    expect(appended.status).toBe(204);
    expect(uploaded).toEqual(['hello']);
  } finally {
    await app.close();
  }
});
`;

/** Milliseconds of a test: no more than what hangs comes to it, on a machine however busy. */
const TIMEOUT = 120_000;

const NEST_11 = {
  '@nestjs/common': '11.2.10',
  '@nestjs/core': '11.2.10',
  '@nestjs/platform-express': '11.2.10',
  '@nestjs/testing': '11.2.6',
};

const NEST_12 = {
  '@nestjs/common': '12.5.1',
  '@nestjs/core': '12.5.1',
  '@nestjs/platform-express': '12.5.1',
  '@nestjs/testing': '12.1.1',
};

const ALWAYS = {
  '@opentelemetry/api': '1.9.1',
  '@tus/server': '2.4.5',
  'reflect-metadata': '0.2.2',
  rxjs: '7.8.2',
};

const DECORATORS = { experimentalDecorators: true, emitDecoratorMetadata: true };

const SWC = {
  jsc: {
    target: 'es2022',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
  },
};

/** What docs/tus.md says that Jest in CommonJS needs for `@tus/server`, which is an ES module. */
const { transform: TS_JEST_TRANSFORM, transformIgnorePatterns } = await configurationInDocs();

/** `small`: each runner and each module format once. */
export const TEST_RUNNERS = [
  {
    name: 'Nest 11, CommonJS, ts-jest',
    folder: 'ts-jest',
    small: true,
    type: 'commonjs',
    dependencies: {
      ...NEST_11,
      ...ALWAYS,
      '@types/jest': '30.0.0',
      '@types/node': '22.20.5',
      jest: '30.5.2',
      'ts-jest': '29.4.15',
      typescript: '5.9.3',
    },
    // As `nest new` of Nest 11 sets them up.
    files: {
      'jest.config.js': `module.exports = ${JSON.stringify({
        testEnvironment: 'node',
        testTimeout: TIMEOUT,
        transform: TS_JEST_TRANSFORM,
        transformIgnorePatterns,
      })};`,
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          ...DECORATORS,
          module: 'commonjs',
          moduleResolution: 'node10',
          target: 'es2022',
          esModuleInterop: true,
          skipLibCheck: true,
          types: ['node', 'jest'],
        },
      }),
    },
    command: ['node_modules/jest/bin/jest.js', '--ci'],
  },
  {
    name: 'Nest 11, CommonJS, jest and swc',
    folder: 'jest-swc',
    type: 'commonjs',
    dependencies: {
      ...NEST_11,
      ...ALWAYS,
      '@swc/core': '1.16.22',
      '@swc/jest': '0.2.39',
      jest: '30.5.2',
    },
    files: {
      'jest.config.js': `module.exports = ${JSON.stringify({
        testEnvironment: 'node',
        testTimeout: TIMEOUT,
        transform: { '\\.(?:ts|m?js)$': ['@swc/jest', { ...SWC, module: { type: 'commonjs' } }] },
        transformIgnorePatterns,
      })};`,
    },
    command: ['node_modules/jest/bin/jest.js', '--ci'],
  },
  {
    name: 'Nest 12, ESM, jest and swc',
    folder: 'jest-esm',
    small: true,
    type: 'module',
    dependencies: {
      ...NEST_12,
      ...ALWAYS,
      '@swc/core': '1.16.22',
      '@swc/jest': '0.2.39',
      jest: '30.5.2',
    },
    files: {
      'jest.config.js': `export default ${JSON.stringify({
        testEnvironment: 'node',
        testTimeout: TIMEOUT,
        extensionsToTreatAsEsm: ['.ts'],
        transform: { '^.+\\.ts$': ['@swc/jest', SWC] },
      })};`,
    },
    command: ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--ci'],
  },
  {
    name: 'Nest 12, ESM, vitest',
    folder: 'vitest',
    small: true,
    type: 'module',
    dependencies: { ...NEST_12, ...ALWAYS, typescript: '6.0.3', vitest: '4.1.12' },
    files: {
      'vitest.config.js': `export default { test: { globals: true, include: ["*.spec.ts"], testTimeout: ${TIMEOUT} } };`,
      'tsconfig.json': JSON.stringify({ compilerOptions: { ...DECORATORS, target: 'es2022' } }),
    },
    command: ['node_modules/vitest/vitest.mjs', 'run'],
  },
];

/** Installs the app with its test runner, in a folder of its own. */
export async function prepareTestRunner({ tarball, work }, { folder, type, dependencies, files }) {
  const consumer = await Consumer.create(work, folder, { type, tarball, dependencies });
  for (const [path, text] of Object.entries(files)) await consumer.write(path, text);
  await consumer.write('storage.spec.ts', SPEC);
  await consumer.install();
  return consumer;
}

async function configurationInDocs() {
  const page = await readFile(join(import.meta.dirname, '../../docs/tus.md'), 'utf8');
  const [, json] = /^## Tests under Jest in CommonJS\n.*?^```json\n(.*?)^```$/ms.exec(page);
  return JSON.parse(json);
}
