// `npm run test:package`: the tarball that npm would publish, looked at and installed into apps in folders of their own. `--tarballFolder`:
// leaves it there.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { buildApp, NEST_11_COMMONJS, NEST_12_ESM, running } from './nest-apps.js';
import { npm } from './npm.js';
import { pack } from './pack.js';
import { packageFiles } from './package-files.js';
import { plainNode } from './plain-node.js';
import { resumableRoundTrip, uploadRoundTrip } from './upload-round-trip.js';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: { outputFile: { type: 'string' }, tarballFolder: { type: 'string' } },
});

const work = await mkdtemp(join(tmpdir(), 'nestjs-storages-package-'));
const counts = { numPassedTests: 0, numFailedTests: 0 };

async function check(name, body) {
  const started = performance.now();
  try {
    await body();
    counts.numPassedTests++;
    console.log(`  ok    ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    counts.numFailedTests++;
    console.log(`  FAIL  ${name}`);
    console.log(
      `${error.stdout ?? ''}${error.stderr ?? ''}${error.stack}`.replace(/^/gm, '        '),
    );
  }
}

let tarball;
await check('npm pack builds and packs', async () => {
  tarball = await pack(repository, values.tarballFolder ?? work);
});
if (tarball) {
  await check('the tarball holds both builds of every source file, and nothing else', () =>
    packageFiles(tarball, repository),
  );
  await check('publint finds nothing', async () => {
    const { messages, pkg } = await publint({
      strict: true,
      pack: { tarball: Uint8Array.from(await readFile(tarball)).buffer },
    });
    if (messages.length === 0) return;
    throw new Error(messages.map((message) => formatMessage(message, pkg)).join('\n'));
  });
  // Profile `strict`: `node10`, too, which reads no `exports`; `typesVersions` leads it to the sub-paths.
  await check('attw resolves the types from Node (ESM, CommonJS, node10) and bundlers', () =>
    run(...npm('exec', '--', 'attw', tarball, '--profile=strict', '--format=ascii', '--no-color'), {
      cwd: repository,
    }),
  );
  for (const app of [NEST_11_COMMONJS, NEST_12_ESM]) {
    let consumer;
    await check(`${app.name}: installs and compiles, strict`, async () => {
      consumer = await buildApp({ tarball, repository, work }, app);
    });
    if (!consumer) continue;
    await check(`${app.name}: the README's example stores, serves and deletes over HTTP`, () =>
      running(consumer, uploadRoundTrip),
    );
    await check(`${app.name}: it does so on Fastify`, () =>
      running(consumer, uploadRoundTrip, { httpFramework: 'fastify' }),
    );
    await check(`${app.name}: nestjs-storages/opentelemetry makes spans of what is stored`, () =>
      consumer.node('dist/instrumented.js'),
    );
    await check(`${app.name}: an upload is resumed by tus`, () =>
      running(consumer, resumableRoundTrip),
    );
  }
  await plainNode(check, { tarball, work });
}
await rm(work, { recursive: true, force: true });

if (values.outputFile) await writeFile(values.outputFile, JSON.stringify(counts));
console.log(`Package: ${counts.numPassedTests} passed, ${counts.numFailedTests} failed`);
process.exitCode = counts.numFailedTests === 0 ? 0 : 1;
