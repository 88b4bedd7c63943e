// `npm run bench -- <name>`: runs one bench, or all of them, and fails when one misses what it has to show.
const BENCHES = {
  memory: () => import('./memory/memory.bench.js'),
  parallel: () => import('./memory/parallel.bench.js'),
  s3: () => import('./s3/s3.bench.js'),
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  console.error(
    `There is no bench ${unknown.join(', ')}; there is ${Object.keys(BENCHES).join(', ')}.`,
  );
  process.exit(2);
}
let failed = false;
for (const name of names.length > 0 ? names : Object.keys(BENCHES)) {
  const { run } = await BENCHES[name]();
  if (!(await run())) failed = true;
}
process.exitCode = failed ? 1 : 0;
