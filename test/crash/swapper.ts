// Swaps a folder of the root for a link that leads outside, as fast as it can, until it is killed:
// node swapper.mjs <root> <outside>
import { mkdirSync, renameSync, rmSync, symlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const [root, outside] = process.argv.slice(2) as [string, string];
const folder = join(root, 'folder');
const parked = join(root, 'parked');
mkdirSync(parked);
symlinkSync(outside, join(parked, 'link'));
// It may be there by now.
const makeFolder = (): void => void mkdirSync(folder, { recursive: true });
let swaps = 0;
for (;;) {
  try {
    renameSync(folder, join(parked, 'folder'));
    renameSync(join(parked, 'link'), folder);
    renameSync(folder, join(parked, 'link'));
    renameSync(join(parked, 'folder'), folder);
  } catch {
    // The storage has made the folder anew meanwhile, and may be filling it.
    try {
      rmSync(folder, { recursive: true, force: true });
      renameSync(join(parked, 'folder'), folder);
    } catch {
      makeFolder();
    }
  }
  if (++swaps % 1000 === 0) writeSync(1, `${swaps}\n`);
}
