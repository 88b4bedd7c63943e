// From nothing to an app that has stored its first file: what is loaded until then, and that no SDK is.
import { Session } from 'node:inspector';

const SDKS = /node_modules[/\\](@aws-sdk|@google-cloud|@azure)[/\\]/;

export const title = 'from import to the first file';

export function rows() {
  return [
    {
      name: 'import, app context and the first put',
      limit: 'an empty Nest app',
      wanted: { limit: 2 },
      cases: ['limit', 'ours'],
      async prepare(name, { folder }) {
        let app;
        return {
          async run() {
            app = await (name === 'ours' ? ours(folder) : empty());
          },
          ...(name === 'ours' && { note: 'no SDK loaded', verify: withoutSdk }),
          close: () => app.close(),
        };
      },
    },
  ];
}

async function empty(imports = []) {
  await import('reflect-metadata');
  const { Module } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  class AppModule {}
  Module({ imports })(AppModule);
  return NestFactory.createApplicationContext(AppModule, { logger: false });
}

async function ours(root) {
  const { getStorageToken, StorageModule } = await import('nestjs-storages');
  const app = await empty([
    StorageModule.forRoot({ storages: { files: { driver: 'local', root } } }),
  ]);
  await app.get(getStorageToken('files')).put('first.txt', 'first');
  return app;
}

/** Asks the debugger, which knows the modules of both kinds. */
function withoutSdk() {
  const session = new Session();
  session.connect();
  const modules = [];
  session.on('Debugger.scriptParsed', ({ params: { url } }) => {
    if (url.includes('node_modules')) modules.push(url);
  });
  session.post('Debugger.enable');
  session.disconnect();
  const found = modules.filter((url) => SDKS.test(url));
  if (found.length > 0) throw new Error(`An SDK was loaded: ${found[0]}`);
  if (modules.length === 0) throw new Error('The debugger tells of no module that was loaded');
}
