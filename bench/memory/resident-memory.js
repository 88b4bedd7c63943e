import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const INTERVAL = 20;

/** Samples the resident memory of another process (Linux only), from now until it is stopped. In bytes. */
export function watchMemory(pid) {
  const controller = new AbortController();
  const samples = [];
  const sampled = (async () => {
    for (;;) {
      samples.push(await residentMemory(pid));
      if (controller.signal.aborted) return;
      await sleep(INTERVAL, undefined, { signal: controller.signal }).catch(() => {});
    }
  })();
  return {
    async stop() {
      controller.abort();
      await sampled;
      return { before: samples[0], peak: Math.max(...samples) };
    },
  };
}

async function residentMemory(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]) * 1024;
}
