// Whoever asks a server that is measured, in a process of its own.
const { suite, row, quick, url } = JSON.parse(process.argv[2]);
const { rows } = await import(suite);
const { load } = rows(quick).find((each) => each.name === row);
const { warmUp, run } = await load(url);
await warmUp?.();
process.once('message', async () => {
  const started = performance.now();
  await run();
  process.send({ ms: performance.now() - started });
});
process.send({});
