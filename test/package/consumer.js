import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { npm } from './npm.js';

const run = promisify(execFile);

/** A project in a folder of its own that installs the tarball as any user does. */
export class Consumer {
  constructor(folder) {
    this.folder = folder;
  }

  static async create(work, name, { type, tarball, dependencies }) {
    const consumer = new Consumer(join(work, name));
    const manifest = {
      name,
      private: true,
      type,
      dependencies: { ...(tarball && { 'nestjs-storages': `file:${tarball}` }), ...dependencies },
    };
    await consumer.write('package.json', JSON.stringify(manifest));
    return consumer;
  }

  async write(path, text) {
    const file = join(this.folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  install() {
    return this.run(
      ...npm('install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'),
    );
  }

  run(command, args) {
    // Without what npm and Jest put into the environment of their children.
    const { NODE_OPTIONS: _, ...env } = process.env;
    return run(command, args, { cwd: this.folder, env, maxBuffer: 64 * 1024 * 1024 });
  }

  node(...args) {
    return this.run(process.execPath, args);
  }
}
