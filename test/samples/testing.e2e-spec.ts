import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { NestFactory } from '@nestjs/core';
import { upload } from '../../sample/testing/test/upload.js';
import { SampleFolder } from './sample-folder.js';

const sample = join(import.meta.dirname, '../../sample/testing');

// Those for Jest are found by Jest itself.
test('the tests of the sample run under the test runner of Node, and the storage of the app is left alone', async () => {
  const folder = await SampleFolder.create();
  const child = spawn(process.execPath, [
    `--import=${pathToFileURL(join(import.meta.dirname, 'own-name.js')).href}`,
    '--test-reporter=tap',
    join(sample, 'test/avatars.node-test.ts'),
  ]);
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  expect(output).toContain('\n# pass 5\n# fail 0\n');
  expect(await folder.files()).toEqual([]);
  await folder.remove();
});

test('the app answers with a link that leads to the picture, on the storage of its own', async () => {
  const folder = await SampleFolder.create();
  const { AppModule } = await import('../../sample/testing/src/app.module.js');
  const app = await NestFactory.create(AppModule, { logger: false });
  await app.listen(0, '127.0.0.1');
  try {
    const { status, key, link } = await upload(app, 'picture');

    expect(status).toBe(201);
    expect(await folder.files()).toEqual([key]);
    const picture = await fetch(link);
    expect(picture.status).toBe(200);
    expect(picture.headers.get('content-type')).toBe('image/gif');
  } finally {
    await app.close();
    await folder.remove();
  }
});
