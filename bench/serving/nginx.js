import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { atExit, temporaryFolder } from '../folders.js';

const PATHS = ['nginx', '/usr/sbin/nginx', '/usr/local/sbin/nginx'];
/** Of the processor's time in `/proc`. */
const TICK_MS = 10;
// It says how it waits for events once it listens.
const LISTENS = 'event method';

/** The program; nothing where there is none, or no `/proc` that tells what it takes. */
export function findNginx() {
  if (process.platform !== 'linux') return undefined;
  return PATHS.find((path) => spawnSync(path, ['-v']).status === 0);
}

/**
 * One process of nginx.
 *
 * @param locations what its server says of its locations
 * @returns its URL, what it has taken of the processor in ms, and how to end it
 */
export async function startNginx(locations) {
  const temporary = temporaryFolder('nginx');
  for (let attempt = 1; ; attempt++) {
    const nginx = await tryNginx(temporary, locations);
    if (nginx) return nginx;
    // Somebody else took the port between the look and the start.
    if (attempt === 5) throw new Error('nginx did not start');
  }
}

async function tryNginx({ path: folder, remove }, locations) {
  const port = await freePort();
  writeFileSync(join(folder, 'nginx.conf'), configuration(folder, port, locations));
  const child = spawn(
    findNginx(),
    ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const forget = atExit(() => child.kill());
  const ended = once(child, 'exit').finally(forget);
  // Read to the end: what it goes on to say there must not break it.
  const said = createInterface(child.stderr);
  const listens = new Promise((resolve) => {
    said.on('line', (line) => line.includes(LISTENS) && resolve(true));
    said.once('close', () => resolve(false));
  });
  if (!(await listens)) return undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    cpu() {
      const [user, system] = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')
        .slice(11, 13);
      return (Number(user) + Number(system)) * TICK_MS;
    },
    async close() {
      child.kill('SIGQUIT');
      await ended;
      remove();
    },
  };
}

function configuration(folder, port, locations) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(folder, name)};`)
    .join(' ');
  return `
    daemon off;
    master_process off;
    error_log stderr notice;
    pid ${join(folder, 'nginx.pid')};
    events {}
    http {
      access_log off;
      sendfile on;
      keepalive_requests 1000000;
      ${temporary}
      server {
        listen 127.0.0.1:${port};
        ${locations}
      }
    }`;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
