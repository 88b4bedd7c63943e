import {
  BadRequestException,
  Controller,
  Post,
  UploadedFiles,
  UseInterceptors,
} from '@nestjs/common';
import { inspect } from 'node:util';
import { StorageFilesInterceptor, StorageModule, type StoredUpload } from '../../lib/index.js';
import { KeepUploads } from '../../lib/uploads/keep-uploads.decorator.js';
import { closeApps } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { form, formHeaders, type Part, png } from './forms.js';
import { onEachAdapter, recordedUploadApp, startApp } from './upload-fixture.js';

const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png() };
const refuses = (): never => {
  throw new BadRequestException('refused');
};

class Failing {
  add(): void {
    refuses();
  }
}

onEachAdapter(() => {
  afterEach(closeApps);

  test('an upload that the handler keeps stays when the handler fails, and no other', async () => {
    let kept: string | undefined;
    const { post, keys } = await recordedUploadApp(StorageFilesInterceptor('photo', 3), {
      handle: ({ files }) => {
        const [, second] = files as StoredUpload[];
        second!.keep();
        kept = second!.key;
        return refuses();
      },
    });
    expect((await post(photo, photo, photo)).status).toBe(400);
    expect(await keys()).toEqual([kept]);
  });

  test('one that is to replace another is published when it is kept', async () => {
    const { post, keys } = await recordedUploadApp(
      StorageFilesInterceptor('photo', 3, { key: () => 'a.png', overwrite: true }),
      {
        handle: ({ files }) => {
          (files as StoredUpload[])[0]!.keep();
          return refuses();
        },
      },
    );
    expect((await post(photo)).status).toBe(400);
    expect(await keys()).toEqual(['a.png']);
  });

  test('an upload is its data: keep() shows in no JSON, comparison or listing of it', async () => {
    let upload: StoredUpload;
    const { post } = await recordedUploadApp(StorageFilesInterceptor('photo'), {
      handle: ({ files }) => void ([upload] = files as [StoredUpload]),
    });
    await post(photo);
    expect(Object.keys(upload!)).not.toContain('keep');
    expect(inspect(upload!)).not.toContain('keep');
    expect(typeof upload!.keep).toBe('function');
  });

  describe('@KeepUploads()', () => {
    async function failingApp(on: 'handler' | 'class') {
      @Controller()
      class OnHandler extends Failing {
        @Post()
        @KeepUploads()
        @UseInterceptors(StorageFilesInterceptor('photo', 2))
        override add(@UploadedFiles() _files?: unknown): void {
          super.add();
        }
      }
      @KeepUploads()
      @Controller()
      class OnClass extends Failing {
        @Post()
        @UseInterceptors(StorageFilesInterceptor('photo', 2))
        override add(@UploadedFiles() _files?: unknown): void {
          super.add();
        }
      }
      const { driver, keys } = await recordingDriver();
      const { port } = await startApp({
        imports: [StorageModule.forRoot({ storages: { uploads: { driver } } })],
        controllers: [on === 'class' ? OnClass : OnHandler],
      });
      const post = (...parts: Part[]) =>
        send(port, '/', { method: 'POST', headers: formHeaders, body: form(...parts) });
      return { post, keys };
    }

    test.each(['handler', 'class'] as const)('on the %s keeps all of them', async (on) => {
      const { post, keys } = await failingApp(on);
      expect((await post(photo, photo)).status).toBe(400);
      expect(await keys()).toHaveLength(2);
    });

    test('keeps nothing of a form that is refused', async () => {
      const { post, keys } = await failingApp('handler');
      expect((await post(photo, photo, photo)).json).toMatchObject({
        code: 'LIMIT_FILE_COUNT',
      });
      expect(await keys()).toEqual([]);
    });
  });
});
