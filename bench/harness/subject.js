// One case of one row, in a process of its own: gets ready, waits for the start, and tells what it took.
import { readFileSync } from 'node:fs';
import { startProfile } from './profile.js';

const { suite, row, name, folder, files, quick, profile } = JSON.parse(process.argv[2]);
const bench = await import(suite);
const found = bench.rows(quick).find((each) => each.name === row);

if (name === undefined) {
  await found.files(files);
  process.send({});
} else {
  await tryCase(await found.prepare(name, { folder, files }));
}

/**
 * Something to run and to look at when that is measured, both of which may return figures of their own; or a server with its URL, which is at work until its client has had enough. What it has started beside itself may have taken of the processor, too.
 */
async function tryCase({ run, verify, url, close, note, cpu: cpuBeside = () => 0 }) {
  let started;
  let before;
  let besideBefore;
  let writeProfile;
  const start = () => {
    before = process.cpuUsage();
    besideBefore = cpuBeside();
    started = performance.now();
  };
  const usage = () => {
    const { user, system } = process.cpuUsage(before);
    const peak = peakMemory();
    const cpu = (user + system) / 1000 + cpuBeside() - besideBefore;
    return { ms: performance.now() - started, cpu, peak };
  };
  process.on('message', async (message) => {
    if (message === 'stop') {
      const used = usage();
      await writeProfile?.();
      return void process.send(used);
    }
    globalThis.gc?.();
    if (profile) writeProfile = await startProfile(profile);
    start();
    const figures = await run?.();
    const used = usage();
    if (run) await writeProfile?.();
    const seen = await verify?.();
    process.send({ ...used, note, figures: { ...figures, ...seen } });
  });
  process.once('disconnect', () => void close?.());
  process.send({ url });
}

/** In MiB. Where the system tells it, of this program alone: the usual figure begins with that of the process that has started it. */
function peakMemory() {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS / 1024;
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
}
