import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { send } from '../nest/http-client.js';
import type { ShutdownOptions } from '../shutdown/shutdown-app.js';
import { form, formHeaders, partHead, png, requestHead } from '../uploads/forms.js';

const MiB = 1024 * 1024;
const SLOW = 200;
const SMALL = 1000;
const SLOW_BYTES = 300_000;
/** Of resident memory: for each client who waits half a MiB, in the buffers of its socket, of the parser and of the upload. */
const ALLOWED = 100 * MiB + (SLOW * MiB) / 2;
const photo = { name: 'photo', filename: 'a.png', type: 'image/png' };

/**
 * A thousand small uploads come at once while two hundred clients are in the middle of theirs and send nothing: all of the small
 * ones are answered before any of the others goes on.
 *
 * @returns what must not be
 */
export async function load(name: string, configuration: StorageConfiguration): Promise<string[]> {
  const options: ShutdownOptions = { adapter: 'Express', configuration, shutdownTimeout: 1000 };
  const app = fork(join(import.meta.dirname, '../shutdown/shutdown-app.ts'), [
    JSON.stringify(options),
  ]);
  const [port] = (await once(app, 'message')) as [number];
  const small = async (): Promise<number> => {
    const body = form({ ...photo, content: png(10_000) });
    return (await send(port, '/form', { method: 'POST', headers: formHeaders, body })).status;
  };
  // Everything is loaded and compiled.
  await Promise.all(Array.from({ length: 50 }, small));
  const before = await residentMemory(app.pid!);
  let peak = before;
  const timer = setInterval(() => {
    void residentMemory(app.pid!).then((now) => (peak = Math.max(peak, now)));
  }, 50);
  const slow = await Promise.all(Array.from({ length: SLOW }, () => beginUpload(port)));
  const statuses = await Promise.all(Array.from({ length: SMALL }, small));
  const answers = await Promise.all(slow.map(endUpload));
  clearInterval(timer);
  app.kill();
  await once(app, 'exit');
  const stored = statuses.filter((status) => status === 201).length;
  const storedSlowly = answers.filter((answer) => answer.startsWith('HTTP/1.1 201 ')).length;
  const growth = `${((peak - before) / MiB).toFixed(0)} MiB`;
  console.log(
    `load · ${name} · ${stored} of ${SMALL} small uploads while ${SLOW} waited, then ${storedSlowly} of those · resident memory + ${growth}`,
  );
  return [
    ...(stored < SMALL ? ['load: small uploads failed'] : []),
    ...(storedSlowly < SLOW ? ['load: slow uploads failed'] : []),
    ...(peak - before > ALLOWED ? [`load: ${growth} of memory`] : []),
  ];
}

const CONTENT = png(SLOW_BYTES);
const TAIL = form();

async function beginUpload(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  // One that is cut off meanwhile is counted when it has no answer.
  socket.on('error', () => {});
  const head = partHead(photo);
  socket.write(requestHead('/form', head.length + CONTENT.length + 2 + TAIL.length));
  socket.write(head);
  await new Promise((resolve) => socket.write(CONTENT.subarray(0, SLOW_BYTES / 2), resolve));
  return socket;
}

async function endUpload(socket: Socket): Promise<string> {
  socket.write(CONTENT.subarray(SLOW_BYTES / 2));
  socket.write(Buffer.concat([Buffer.from('\r\n'), TAIL]));
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += String(chunk)));
  if (!socket.closed) await once(socket, 'close').catch(() => {});
  return answer;
}

async function residentMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
