// From nothing to an app that has stored its first file, with each driver: what is loaded until then, and that it is no other
// driver's SDK.
import { Session } from 'node:inspector';
import { startProcess } from '../processes.js';
import { storageOn } from '../s3/sink.js';

/** The SDK of each driver that needs one, and where its server is that answers at once. */
const SDKS = {
  s3: { scope: '@aws-sdk', sink: '../s3/sink-server.js', optionsOn: storageOn },
  gcs: {
    scope: '@google-cloud',
    sink: '../gcs/sink-server.js',
    optionsOn: ({ port }) => ({
      driver: 'gcs',
      bucket: 'bench',
      apiEndpoint: `http://127.0.0.1:${port}`,
    }),
  },
  azure: {
    scope: '@azure',
    sink: '../azure/sink-server.js',
    optionsOn: ({ port }) => ({
      driver: 'azure',
      container: 'bench',
      connectionString: `DefaultEndpointsProtocol=http;AccountName=bench;AccountKey=${Buffer.alloc(64, 1).toString('base64')};BlobEndpoint=http://127.0.0.1:${port}/bench;`,
    }),
  },
};

export const title = 'from import to the first file';

export function rows() {
  return [
    // Whose driver needs no SDK is to cost little more than Nest does.
    ...['local', 'memory'].map((driver) => ({
      ...rowOf(driver),
      wanted: { limit: 2 },
      guard: 3,
    })),
    // Most of what it takes is the SDK's.
    ...Object.keys(SDKS).map((driver) => ({ ...rowOf(driver), guard: 'runs' })),
  ];
}

function rowOf(driver) {
  const scope = SDKS[driver]?.scope;
  return {
    name: `import, app context and the first put, ${driver}`,
    limit: 'an empty Nest app',
    cases: ['limit', 'ours'],
    async prepare(name, { folder }) {
      let app;
      if (name === 'limit') {
        return { run: async () => void (app = await empty()), close: () => app.close() };
      }
      const { options, stop } = await placeOf(driver, folder);
      return {
        run: async () => void (app = await ours(options)),
        note: scope ? `${scope} loaded` : 'no SDK loaded',
        verify: () => assertLoaded(scope),
        async close() {
          await app.close();
          await stop?.();
        },
      };
    },
  };
}

async function placeOf(driver, folder) {
  if (driver === 'local') return { options: { driver, root: folder } };
  if (driver === 'memory') return { options: { driver } };
  const { sink, optionsOn } = SDKS[driver];
  const server = await startProcess(sink, { keys: 0 }, import.meta.url);
  return { options: optionsOn(server.ready), stop: () => server.stop() };
}

async function empty(imports = []) {
  await import('reflect-metadata');
  const { Module } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  class AppModule {}
  Module({ imports })(AppModule);
  return NestFactory.createApplicationContext(AppModule, { logger: false });
}

async function ours(options) {
  const { getStorageToken, StorageModule } = await import('nestjs-storages');
  const app = await empty([StorageModule.forRoot({ storages: { files: options } })]);
  await app.get(getStorageToken('files')).put('first.txt', 'first');
  return app;
}

/** Asks the debugger, which knows the modules of both kinds, for SDKs: there is to be that of the scope, or none. */
function assertLoaded(scope) {
  const session = new Session();
  session.connect();
  const modules = [];
  session.on('Debugger.scriptParsed', ({ params: { url } }) => {
    if (url.includes('node_modules')) modules.push(url);
  });
  session.post('Debugger.enable');
  session.disconnect();
  if (modules.length === 0) throw new Error('The debugger tells of no module that was loaded');
  const loaded = Object.values(SDKS)
    .map((sdk) => sdk.scope)
    .filter((each) => modules.some((url) => url.replaceAll('\\', '/').includes(`/${each}/`)));
  if (loaded.join() !== (scope ?? ''))
    throw new Error(`Loaded was ${loaded.join() || 'no SDK'}, not ${scope ?? 'none'}`);
}
