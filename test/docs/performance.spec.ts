import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repository } from './markdown.js';

test('the figures of the page on performance are those that the bench has written', async () => {
  const script = join(repository, 'bench/page.js');
  await expect(promisify(execFile)(process.execPath, [script, '--check'])).resolves.toMatchObject({
    stderr: '',
  });
});
