// The storages without an app: plain Node, no SDK installed.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Consumer } from './consumer.js';
import { npm } from './npm.js';

const STORE = `
for (const configuration of [{ driver: 'memory' }, { driver: 'local', root: './files' }]) {
  const storage = await openStorage('files', configuration);
  const stored = await storage.put('a/b.txt', 'hello', { metadata: { from: 'plain' } });
  const file = await storage.info('a/b.txt');
  assert.equal(file.etag, stored.etag);
  assert.equal(file.contentType, 'text/plain');
  assert.deepEqual({ ...file.metadata }, { from: 'plain' });
  assert.equal((await storage.getBytes('a/b.txt')).toString(), 'hello');
  await storage.delete('a/b.txt');
  assert.equal(await storage.exists('a/b.txt'), false);
  await storage.close();
}
`;

const MISSING_SDK = `
await assert.rejects(openStorage('images', { driver: 's3', bucket: 'images' }), (error) => {
  assert.ok(error instanceof StorageConfigurationError, String(error));
  assert.match(error.message, /"images" uses the s3 driver/);
  assert.match(error.message, /npm install @aws-sdk\\/client-s3 @aws-sdk\\/s3-request-presigner/);
  return true;
});
`;

/** The file that loads it is no entry point: without Nest's HTTP layer, no request comes to it. */
const MISSING_TUS_SERVER = `
await assert.rejects(loadTusServer(), /^StorageConfigurationError: .*npm install @tus\\/server$/);
`;

const NAMES = '{ openStorage, StorageConfigurationError }';

const fromCommonJs = (specifier) => `
const assert = require('node:assert/strict');
const ${NAMES} = require(${JSON.stringify(specifier)});
(async () => {
  ${STORE}
  ${MISSING_SDK}
})();
`;

/** Loaded by a path, because `require()` of the package takes the ES modules where it can. */
const INSTRUMENTED = `
const assert = require('node:assert/strict');
const { openStorage } = require('./node_modules/nestjs-storages/dist/cjs/index.js');
const { instrumentStorages } = require('./node_modules/nestjs-storages/dist/cjs/opentelemetry/index.js');
const { trace } = require('@opentelemetry/api');
const spans = [];
const silent = trace.getTracer('silent');
const tracer = { startSpan: (name, ...rest) => (spans.push(name), silent.startSpan(name, ...rest)) };
instrumentStorages({ tracerProvider: { getTracer: () => tracer } });
(async () => {
  const storage = await openStorage('files', { driver: 'memory' });
  await storage.put('a', 'hello');
  assert.deepEqual(spans, ['open files', 'put files']);
})();
`;

const SAME_CLASSES = `
const assert = require('node:assert/strict');
const required = require('nestjs-storages');
import('nestjs-storages').then((imported) => assert.equal(imported.StorageError, required.StorageError));
`;

/** The link that npm has made of `bin`, as `npx nestjs-storages` finds it. */
async function command(consumer) {
  const nestjsStorages = async (...args) =>
    (await consumer.run(...npm('exec', '--offline', '--', 'nestjs-storages', ...args))).stdout;
  const { stdout } = await consumer.node(
    '--print',
    'require("./node_modules/nestjs-storages/package.json").version',
  );
  assert.equal(await nestjsStorages('--version'), stdout);
  await consumer.write('listed/a.txt', 'hello');
  const folder = pathToFileURL(join(consumer.folder, 'listed'));
  assert.match(await nestjsStorages('ls', folder.href), /a\.txt\n$/);
}

/** @param check runs and counts one check */
export async function plainNode(check, { tarball, work }) {
  const consumer = await Consumer.create(work, 'plain-node', {
    type: 'module',
    tarball,
    dependencies: {
      '@nestjs/common': '12.5.1',
      '@nestjs/core': '12.5.1',
      '@opentelemetry/api': '1.9.1',
    },
  });
  const script = async (name, code) => {
    await consumer.write(name, code);
    await consumer.node(name);
  };
  await check('Plain Node: installs', () => consumer.install());
  await check('Plain Node, ESM: memory and local store, read and delete', () =>
    script(
      'store.mjs',
      `import assert from 'node:assert/strict';\nimport ${NAMES} from 'nestjs-storages';\n${STORE}`,
    ),
  );
  await check('Plain Node, ESM: s3 without its SDK says what to install', () =>
    script(
      'missing.mjs',
      `import assert from 'node:assert/strict';\nimport ${NAMES} from 'nestjs-storages';\n${MISSING_SDK}`,
    ),
  );
  await check(
    'Plain Node: tus without @tus/server says what to install, in both builds',
    async () => {
      await script(
        'missing-tus.mjs',
        `import assert from 'node:assert/strict';\nimport { loadTusServer } from './node_modules/nestjs-storages/dist/tus/load-tus-server.js';\n${MISSING_TUS_SERVER}`,
      );
      await script(
        'missing-tus.cjs',
        `const assert = require('node:assert/strict');\nconst { loadTusServer } = require('./node_modules/nestjs-storages/dist/cjs/tus/load-tus-server.js');\n(async () => {${MISSING_TUS_SERVER}})();`,
      );
    },
  );
  await check('Plain Node, CommonJS: require() of the package does the same', () =>
    script('store.cjs', fromCommonJs('nestjs-storages')),
  );
  await check('Plain Node, CommonJS: the CommonJS build does the same', () =>
    script('build.cjs', fromCommonJs('./node_modules/nestjs-storages/dist/cjs/index.js')),
  );
  await check(
    'Plain Node, CommonJS: the CommonJS build of opentelemetry makes spans of its storages',
    () => script('instrumented.cjs', INSTRUMENTED),
  );
  await check('Plain Node: npx nestjs-storages tells its version and lists a folder', () =>
    command(consumer),
  );
  await check('Plain Node: require() and import() give the same classes', () =>
    script('same.cjs', SAME_CLASSES),
  );
}
