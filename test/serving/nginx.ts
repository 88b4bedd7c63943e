import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { send } from '../nest/http-client.js';

/** A real nginx, in the foreground, with its files in a folder of its own. */
export interface Nginx extends AsyncDisposable {
  readonly port: number;
}

/** Where Debian and others have it; `NGINX_PATH` names another. */
const NGINX = ['nginx', '/usr/sbin/nginx', '/usr/local/sbin/nginx'];

/** The program, or `undefined` where there is none. */
export function findNginx(): string | undefined {
  const named = process.env['NGINX_PATH'];
  return (named === undefined ? NGINX : [named]).find(
    (path) => spawnSync(path, ['-v']).status === 0,
  );
}

/**
 * nginx in front of an app, with the files of a folder below an internal location, as docs/serving.md has it.
 *
 * @param locations what its server says of its locations
 */
export async function startNginx(
  program: string,
  locations: (folder: string) => string,
): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-storages-nginx-'));
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    await writeFile(join(folder, 'nginx.conf'), configuration(folder, port, locations(folder)));
    const child = spawn(program, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (text) => (said += String(text)));
    const ended = once(child, 'close');
    if (await answers(port, ended)) {
      return {
        port,
        async [Symbol.asyncDispose]() {
          child.kill('SIGQUIT');
          await ended;
          await rm(folder, { recursive: true, force: true });
        },
      };
    }
    // Somebody else took the port between the look and the start.
    if (attempt === 5 || !said.includes('Address already in use')) {
      await rm(folder, { recursive: true, force: true });
      throw new Error(`nginx did not start: ${said}`);
    }
  }
}

function configuration(folder: string, port: number, locations: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(folder, name)};`)
    .join(' ');
  return `
    daemon off;
    master_process off;
    pid ${join(folder, 'nginx.pid')};
    events {}
    http {
      access_log off;
      ${temporary}
      server {
        listen 127.0.0.1:${port};
        ${locations}
      }
    }`;
}

/** Whether it is there before it ends. */
async function answers(port: number, ended: Promise<unknown>): Promise<boolean> {
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  while (!hasEnded) {
    const isThere = await send(port, '/').then(
      () => true,
      () => false,
    );
    if (isThere) return !hasEnded;
  }
  return false;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
