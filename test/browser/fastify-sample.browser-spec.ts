import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { noisePng } from './pictures.js';

const MAIN = join(import.meta.dirname, '../../sample/fastify/dist/main.js');

test('the built sample on Fastify stores a photo, serves it, and refuses what is none', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-sample-'));
  const child = spawn(process.execPath, [MAIN], {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: '', PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let url: string | undefined;
    for await (const line of createInterface(child.stdout)) {
      url = /Listening on (\S+);/.exec(line)?.[1];
      if (url) break;
    }
    child.stdout.resume();
    const send = (body: Uint8Array | string): Promise<Response> => {
      const form = new FormData();
      form.set('photo', new Blob([body], { type: 'image/png' }), 'photo.png');
      return fetch(`${url}/photos`, { method: 'POST', body: form });
    };
    const png = noisePng(20, 20);
    const answer = await send(png);
    expect(answer.status).toBe(201);
    const { key } = (await answer.json()) as { key: string };
    const served = await fetch(`${url}/photos/${key}`);
    expect(served.headers.get('content-type')).toBe('image/png');
    expect(Buffer.from(await served.arrayBuffer()).equals(png)).toBe(true);
    expect((await send('<script>alert(1)</script>')).status).toBe(415);
    const stored = await readdir(join(folder, 'var/photos'));
    expect(stored.filter((name) => !name.startsWith('.'))).toEqual([key]);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
    await rm(folder, { recursive: true, force: true });
  }
});
