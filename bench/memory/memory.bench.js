// 1 GiB goes through the upload interceptor into a storage and comes back as a ServedFile. Shows that the bytes are the
// same, and by how much the resident memory of the app's process grows.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../folders.js';
import { download, upload } from './client.js';
import { startProcess } from '../processes.js';
import { watchMemory } from './resident-memory.js';

const MEBIBYTE = 1024 ** 2;
const LIMIT = 64 * MEBIBYTE;
const SIZE = Number(process.env.BENCH_MEBIBYTES ?? 1024) * MEBIBYTE;
// Enough for every module to be loaded and every code path to be compiled; less than a part of S3.
const WARM_UP = 4 * MEBIBYTE;

/** @returns whether every transfer was byte-identical and within the limit */
export async function run() {
  console.log(
    `memory: ${SIZE / MEBIBYTE} MiB in by multipart/form-data and out again, on Node ${process.version}`,
  );
  const temporary = temporaryFolder('memory');
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
        const storage = { driver, ...server.ready };
        results.push(await measure(driver, storage));
        if (driver === 's3') results.push(await measure('s3, Fastify', storage, 'fastify'));
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

async function measure(name, storage, adapter = 'express') {
  const app = await startProcess('app.js', { storage, maxSize: SIZE, adapter }, import.meta.url);
  try {
    return await measureApp(name, app);
  } finally {
    await app.stop();
  }
}

async function measureApp(name, { ready: { url }, pid }) {
  await remove(url, (await roundTrip(url, WARM_UP)).key);
  const memory = watchMemory(pid);
  const { key, ...result } = await roundTrip(url, SIZE);
  const { before, peak } = await memory.stop();
  await remove(url, key);
  const growth = peak - before;
  const passed = result.equal && growth < LIMIT;
  console.log(
    [
      `${passed ? 'ok  ' : 'FAIL'} ${name.padEnd(11)}`,
      `sha256 ${result.equal ? 'equal' : 'DIFFERS'} (${result.sha256.slice(0, 16)}…)`,
      `resident memory ${mebibytes(before)} + ${mebibytes(growth)} at the peak (limit ${mebibytes(LIMIT)})`,
      `in ${result.upload.toFixed(1)} s, out ${result.download.toFixed(1)} s`,
    ].join(' · '),
  );
  return passed;
}

async function roundTrip(url, size) {
  const sent = await timed(() => upload(`${url}/files`, size));
  const { key, sha256 } = sent.value;
  const received = await timed(() => download(`${url}/files/${key}`));
  const equal = received.value.sha256 === sha256 && received.value.size === size;
  return { key, sha256, equal, upload: sent.seconds, download: received.seconds };
}

async function remove(url, key) {
  await fetch(`${url}/files/${key}`, { method: 'DELETE' });
}

async function timed(task) {
  const started = performance.now();
  const value = await task();
  return { value, seconds: (performance.now() - started) / 1000 };
}

function mebibytes(bytes) {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}
