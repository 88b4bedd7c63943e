import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, realpathSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const LOCK = fileURLToPath(new URL('package-lock.json', import.meta.url));
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MODULES = fileURLToPath(new URL('node_modules', import.meta.url));
// Npm's own note of what it has installed.
const INSTALLED = fileURLToPath(new URL('node_modules/.package-lock.json', import.meta.url));
const LIBRARY = fileURLToPath(new URL('node_modules/nestjs-storages', import.meta.url));

/** Installs what the library is measured against, once, and again when it is to be something else. */
export function installPeers() {
  if (!existsSync(INSTALLED) || statSync(INSTALLED).mtimeMs < statSync(LOCK).mtimeMs) {
    console.log('Installing what is measured against: npm ci --prefix bench');
    const { status } = spawnSync(
      'npm',
      ['ci', '--prefix', FOLDER, '--no-audit', '--loglevel=error'],
      {
        stdio: 'inherit',
        shell: process.platform === 'win32',
      },
    );
    if (status !== 0) process.exit(status ?? 1);
  }
}

/** Leads the library's own name to the build of this checkout. */
export function linkLibrary() {
  // A copied folder leads to where it was copied from.
  if (existsSync(LIBRARY) && realpathSync(LIBRARY) === realpathSync(ROOT)) return;
  rmSync(LIBRARY, { force: true });
  mkdirSync(MODULES, { recursive: true });
  symlinkSync(ROOT, LIBRARY, 'junction');
}
