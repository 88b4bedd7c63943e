import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePorts, describeRadosgw, START_SCRIPT, startRadosgw } from './radosgw.js';

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

describeRadosgw('startRadosgw', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ceph-spec-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('leaves nothing when it is closed', async () => {
    const radosgw = await startRadosgw({ folder });
    expect(await isListening(radosgw.port)).toBe(true);
    expect(await readdir(folder)).toHaveLength(1);
    await radosgw.close();
    expect(await isListening(radosgw.port)).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });

  it('leaves nothing when whoever started it is killed', async () => {
    const ports = await freePorts();
    const args = [...ports.map(String), 'access-key', 'secret-key'];
    const program = `require('node:child_process').spawn(...${JSON.stringify([START_SCRIPT, args])}, {
      stdio: ['pipe', 'inherit', 'inherit'],
      detached: true,
    })`;
    const starter = spawn(process.execPath, ['-e', program], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // The script holds the other end, too, and so it is gone when the pipe ends.
    const lines = createInterface(starter.stdout);
    const ended = once(lines, 'close');
    await expect(once(lines, 'line')).resolves.toEqual(['ready']);
    starter.kill('SIGKILL');
    await ended;
    expect(await Promise.all(ports.map(isListening))).toEqual([false, false]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('says what the daemons complain of when they do not start', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const [gateway] = await freePorts();
    try {
      const ports = [gateway, (taken.address() as AddressInfo).port] as const;
      await expect(startRadosgw({ folder, ports })).rejects.toThrow(
        /radosgw did not start:\n[^]*unable to bind monitor/,
      );
    } finally {
      taken.close();
    }
    expect(await readdir(folder)).toEqual([]);
  });
});
