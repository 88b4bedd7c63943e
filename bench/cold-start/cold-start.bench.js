// From nothing to an app that has stored its first file: what is loaded until then, and that no SDK is.
import { createRequire } from 'node:module';

const SDKS = /node_modules[/\\](@aws-sdk|@google-cloud|@azure)[/\\]/;
const loaded = createRequire(import.meta.url).cache;

export const title = 'from import to the first file';

export function rows() {
  return [
    {
      name: 'import, app context and the first put',
      limit: 'an empty Nest app',
      wanted: { limit: 2 },
      cases: ['limit', 'ours'],
      prepare: async (name, { folder }) => ({
        run: () => (name === 'ours' ? ours(folder) : empty()),
      }),
    },
  ];
}

async function empty(imports = []) {
  await import('reflect-metadata');
  const { Module } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  class AppModule {}
  Module({ imports })(AppModule);
  return NestFactory.createApplicationContext(AppModule, { logger: false }).then(() => undefined);
}

async function ours(root) {
  const { openStorage, StorageModule } = await import('nestjs-storages');
  await empty([StorageModule.forRoot({ storages: { files: { driver: 'local', root } } })]);
  const storage = await openStorage('files', { driver: 'local', root });
  await storage.put('first.txt', 'first');
  await storage.close();
  const sdks = Object.keys(loaded).filter((path) => SDKS.test(path));
  if (sdks.length > 0) throw new Error(`An SDK was loaded: ${sdks[0]}`);
  return 'no SDK loaded';
}
