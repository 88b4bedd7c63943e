// The types of every sub-path, under the compilers and the module settings that users have.
import { Consumer } from '../package/consumer.js';

/** Names that the compiler knows, an option of each kind, and what the sub-paths have. */
const SOURCE = `import { InjectStorage, Storage, StorageModule, type StorageRegistry, type StoredFile } from 'nestjs-storages';
import { instrumentStorages } from 'nestjs-storages/opentelemetry';
import { FakeStorage, describeStorageDriver, startS3Server } from 'nestjs-storages/testing';
import { TusModule } from 'nestjs-storages/tus';

declare module 'nestjs-storages' {
  interface StorageNames {
    uploads: Storage<'s3'>;
    scratch: Storage;
  }
}

export class Photos {
  constructor(@InjectStorage('uploads') readonly uploads: Storage<'s3'>) {}

  async add(photo: Uint8Array): Promise<StoredFile> {
    await using copy = await this.uploads.stage(photo);
    return copy.commit('photo.png');
  }
}

StorageModule.forRoot({
  default: 'uploads',
  storages: {
    uploads: { driver: 's3', bucket: 'uploads', region: 'eu-central-1' },
    scratch: { driver: 'memory', maxSize: '64mb' },
  },
});
TusModule.forRoot({ storage: 'uploads', signingKeys: [{ id: 'one', secret: 'of thirty-two bytes and more' }], maxSize: '1gb' });

export async function region(registry: StorageRegistry): Promise<string> {
  return registry.get('uploads').client.config.region();
}

// @ts-expect-error no such name
InjectStorage('uplaods');
// @ts-expect-error no such driver
StorageModule.forRoot({ storages: { scratch: { driver: 'memroy' } } });
// @ts-expect-error an option of another driver
StorageModule.forRoot({ storages: { uploads: { driver: 's3', bucket: 'uploads', root: '.' } } });

export const others = [instrumentStorages, FakeStorage, describeStorageDriver, startS3Server];
`;

const SDKS = {
  '@aws-sdk/client-s3': '3.1169.0',
  '@azure/storage-blob': '12.34.0',
  '@google-cloud/storage': '8.4.0',
  '@opentelemetry/api': '1.9.1',
  '@types/express': '5.0.6',
  '@types/node': '22.20.5',
  'reflect-metadata': '0.2.2',
  rxjs: '7.8.2',
};

const COMPILERS = {
  5.2: '5.2.2',
  5.4: '5.4.5',
  5.6: '5.6.3',
  5.9: '5.9.3',
  '6.0': '6.0.3',
  '7.0': '7.0.2',
};

const PACKAGES = [
  {
    name: 'Nest 12, ESM',
    folder: 'types-esm',
    type: 'module',
    dependencies: { '@nestjs/common': '12.5.1', '@nestjs/core': '12.5.1', ...SDKS },
    settings: [
      { module: 'node16', moduleResolution: 'node16' },
      { module: 'nodenext', moduleResolution: 'nodenext' },
      { module: 'esnext', moduleResolution: 'bundler' },
    ],
  },
  {
    name: 'Nest 11, CommonJS',
    folder: 'types-commonjs',
    type: 'commonjs',
    dependencies: {
      '@nestjs/common': '11.2.10',
      '@nestjs/core': '11.2.10',
      ...SDKS,
    },
    settings: [
      { module: 'node16', moduleResolution: 'node16' },
      { module: 'nodenext', moduleResolution: 'nodenext' },
      { module: 'commonjs', moduleResolution: 'node10', until: '6.0' },
      { module: 'commonjs', moduleResolution: 'bundler', from: '6.0' },
    ],
  },
];

/**
 * Every compiler with every setting that it has; `small`: the newest one, without what is much alike, and the oldest one, which takes five
 * times as long, with its last.
 */
export function typeChecks({ small }) {
  const lines = Object.keys(COMPILERS).filter(
    (_line, at, all) => !small || at === 0 || at === all.length - 1,
  );
  const compilers = Object.fromEntries(
    lines.map((line) => [`typescript-${line}`, `npm:typescript@${COMPILERS[line]}`]),
  );
  return PACKAGES.map(({ settings, dependencies, ...each }) => ({
    ...each,
    dependencies: { ...dependencies, ...compilers },
    checks: lines.flatMap((line) =>
      settings
        .filter(({ from = line, until = '9' }) => line >= from && line < until)
        .filter(({ module }) => !small || module !== 'node16')
        .filter((_setting, at, all) => !small || line !== lines[0] || at === all.length - 1)
        .map(({ module, moduleResolution }) => ({
          name: `TypeScript ${line}, module ${module}, moduleResolution ${moduleResolution}`,
          compiler: `node_modules/typescript-${line}/bin/tsc`,
          compilerOptions: { module, moduleResolution },
        })),
    ),
  }));
}

export async function prepareTypes({ tarball, work }, { folder, type, dependencies }) {
  const consumer = await Consumer.create(work, folder, { type, tarball, dependencies });
  await consumer.write('index.ts', SOURCE);
  await consumer.install();
  return consumer;
}

/**
 * Compiles with every declaration file checked, and fails by what it finds in ours and in the user's own file. Others' are not
 * ours to mend: some of an SDK's newest need a newer compiler than the oldest here.
 */
export async function checkTypes(consumer, { compiler, compilerOptions }) {
  const config = {
    compilerOptions: {
      target: 'es2022',
      lib: ['es2022', 'esnext.disposable'],
      strict: true,
      exactOptionalPropertyTypes: true,
      experimentalDecorators: true,
      skipLibCheck: false,
      noEmit: true,
      types: ['node'],
      ...compilerOptions,
    },
    files: ['index.ts'],
  };
  await consumer.write('tsconfig.json', JSON.stringify(config));
  let output;
  try {
    ({ stdout: output } = await consumer.node(compiler, '--pretty', 'false'));
  } catch (error) {
    output = error.stdout;
    if (!/error TS\d+/.test(output)) throw error;
  }
  const errors = output.split('\n').filter((line) => /error TS\d+/.test(line));
  const ours = errors.filter(
    (line) => !line.startsWith('node_modules/') || line.startsWith('node_modules/nestjs-storages/'),
  );
  if (ours.length > 0) throw new Error(ours.join('\n'));
  return errors.length === 0 ? {} : { note: `${errors.length} errors in other packages` };
}
