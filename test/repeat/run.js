// `npm run test:repeat -- [--times 20] [path…]`: the tests again and again, those of each file in another order each time. Stops at
// the first run that fails, with the line that repeats it.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const repository = join(import.meta.dirname, '../..');
const { values, positionals: paths } = parseArgs({
  options: { times: { type: 'string', default: '20' } },
  allowPositionals: true,
});
const times = Number(values.times);
if (!Number.isSafeInteger(times) || times < 1) {
  console.error(`--times ${values.times}: give a whole number of at least 1, such as --times 20`);
  process.exit(1);
}

for (let time = 1; time <= times; time++) {
  const started = performance.now();
  const seed = randomInt(2 ** 31);
  const order = ['--randomize', `--seed=${seed}`, ...paths];
  const { status, stdout, stderr } = spawnSync('npm', ['test', '--', '--ci', ...order], {
    cwd: repository,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    shell: process.platform === 'win32',
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (status !== 0) {
    console.error(`${stdout}${stderr}\nRun ${time} of ${times} failed. The same order again:`);
    console.error(`npm test -- ${order.join(' ')}`);
    process.exit(1);
  }
  const tests = /^Tests: +(.*)$/m.exec(stderr)?.[1];
  console.log(`  ok    ${time} of ${times}, seed ${seed}: ${tests} (${seconds} s)`);
}
console.log(`Repeated: ${times} passed, 0 failed`);
