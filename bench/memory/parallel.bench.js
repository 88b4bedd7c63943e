// 50 clients upload 64 MiB each at once. Shows that what the uploads hold together stays within `uploadMemory`, and that
// what is stored is what was sent.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../folders.js';
import { download, upload } from './client.js';
import { startProcess } from '../processes.js';
import { watchMemory } from './resident-memory.js';

const MEBIBYTE = 1024 ** 2;
const CLIENTS = 50;
const SIZE = Number(process.env.BENCH_MEBIBYTES ?? 64) * MEBIBYTE;
const UPLOAD_MEMORY = 64 * MEBIBYTE;
// What comes on top for each client: the buffers of its socket, of the form's parser and of the disk, and what the garbage
// collector has not come to yet.
const OVERHEAD = CLIENTS * 1.5 * MEBIBYTE;

/** @returns whether every upload arrived, and the growth stayed within the budget */
export async function run() {
  console.log(
    `parallel: ${CLIENTS} uploads of ${SIZE / MEBIBYTE} MiB at once, uploadMemory ${UPLOAD_MEMORY / MEBIBYTE} MiB, on Node ${process.version}`,
  );
  const temporary = temporaryFolder('parallel');
  const folder = temporary.path;
  const results = [];
  try {
    results.push(await measure('local', { driver: 'local', root: join(folder, 'files') }));
    for (const driver of ['s3', 'gcs', 'azure']) {
      const server = await startProcess(
        `${driver}-server.js`,
        { folder: join(folder, driver) },
        import.meta.url,
      );
      try {
        const storage = { driver, uploadMemory: UPLOAD_MEMORY, ...server.ready };
        results.push(await measure(driver, storage));
      } finally {
        await server.stop();
      }
      await rm(join(folder, driver), { recursive: true, force: true });
    }
  } finally {
    temporary.remove();
  }
  return results.every(Boolean);
}

async function measure(name, storage) {
  const app = await startProcess('app.js', { storage, maxSize: SIZE }, import.meta.url);
  try {
    const url = `${app.ready.url}/files`;
    await upload(url, MEBIBYTE);
    const memory = watchMemory(app.pid);
    const started = performance.now();
    const uploads = await Promise.all(Array.from({ length: CLIENTS }, () => upload(url, SIZE)));
    const seconds = (performance.now() - started) / 1000;
    const { before, peak } = await memory.stop();
    let equal = true;
    for (const { key, sha256 } of uploads) {
      const received = await download(`${url}/${key}`);
      equal &&= received.sha256 === sha256 && received.size === SIZE;
      await fetch(`${url}/${key}`, { method: 'DELETE' });
    }
    const limit = UPLOAD_MEMORY + OVERHEAD;
    const passed = equal && peak - before <= limit;
    console.log(
      [
        `${passed ? 'ok  ' : 'FAIL'} ${name.padEnd(6)}`,
        `sha256 ${equal ? 'equal' : 'DIFFERS'}`,
        `resident memory ${mebibytes(before)} + ${mebibytes(peak - before)} at the peak (limit ${mebibytes(limit)})`,
        `in ${seconds.toFixed(1)} s`,
      ].join(' · '),
    );
    return passed;
  } finally {
    await app.stop();
  }
}

function mebibytes(bytes) {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}
