import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { shutdownBehaviours, storageBehaviours } from '../../lib/testing/conformance/index.js';
import { repository } from '../docs/markdown.js';

test('the conformance kit, and the matchers, run under Vitest', async () => {
  const child = spawn(process.execPath, [
    join(repository, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--config',
    join(import.meta.dirname, 'vitest/vitest.config.js'),
  ]);
  const [output, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  expect(errors).toBe('');
  const behaviours = [...storageBehaviours, shutdownBehaviours].flatMap(
    (group) => group.behaviours,
  );
  const { numPassedTests, numFailedTests } = JSON.parse(output) as Record<string, number>;
  expect({ numPassedTests, numFailedTests }).toEqual({
    numPassedTests: behaviours.length + 1,
    numFailedTests: 0,
  });
});
