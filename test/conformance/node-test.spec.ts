import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { shutdownBehaviours, storageBehaviours } from '../../lib/testing/conformance/index.js';

const folder = join(import.meta.dirname, 'node-test');

test('the conformance kit runs under the test runner of Node', async () => {
  const child = spawn(process.execPath, [
    `--import=${pathToFileURL(join(folder, 'register.js')).href}`,
    '--test-reporter=tap',
    join(folder, 'memory.ts'),
  ]);
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  const behaviours = [...storageBehaviours, shutdownBehaviours].flatMap(
    (group) => group.behaviours,
  );
  expect(output).toContain(`\n# pass ${behaviours.length}\n# fail 0\n`);
});
