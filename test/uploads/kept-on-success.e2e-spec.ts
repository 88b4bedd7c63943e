import {
  BadRequestException,
  type CallHandler,
  type ExecutionContext,
  FileValidator,
  Injectable,
  type NestInterceptor,
  ParseFilePipe,
} from '@nestjs/common';
import { from, map, mergeMap, type Observable, of, throwError, timer } from 'rxjs';
import {
  StorageConnectionError,
  type StorageDriver,
  StorageFileInterceptor,
  StorageFilesInterceptor,
  StoragePermissionError,
  StorageQuotaExceededError,
} from '../../lib/index.js';
import { closeApps } from '../nest/app-fixture.js';
import { png } from './forms.js';
import { onEachAdapter, recordedUploadApp } from './upload-fixture.js';

onEachAdapter(() => {
  afterEach(closeApps);

  const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png() };
  const large = { ...photo, content: png(300_000) };

  class Never extends FileValidator {
    isValid(): boolean {
      return false;
    }
    buildErrorMessage(): string {
      return 'never';
    }
  }

  class ThrowsAtOnce implements NestInterceptor {
    intercept(): Observable<unknown> {
      throw new BadRequestException('at once');
    }
  }

  class ThrowsLater implements NestInterceptor {
    intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
      return next.handle().pipe(
        map(() => {
          throw new BadRequestException('later');
        }),
      );
    }
  }

  @Injectable()
  class Rejects implements NestInterceptor {
    async intercept(): Promise<Observable<unknown>> {
      throw new BadRequestException('async');
    }
  }

  const bad = new BadRequestException('refused');

  describe('everything stored in a request is removed, once, when', () => {
    test.each([
      [
        'a pipe rejects',
        { pipes: [new ParseFilePipe({ validators: [new Never({})] })], several: true },
      ],
      [
        'the handler throws',
        {
          handle: () => {
            throw bad;
          },
        },
      ],
      ['the handler rejects', { handle: () => Promise.reject(bad) }],
      ['the handler’s Observable fails', { handle: () => throwError(() => bad) }],
      [
        'the handler’s Observable fails after it emitted',
        {
          handle: () =>
            timer(0).pipe(
              mergeMap(() =>
                from([Promise.resolve(1), Promise.reject(bad)]).pipe(mergeMap((each) => each)),
              ),
            ),
        },
      ],
      ['a later interceptor throws at once', { later: [ThrowsAtOnce] }],
      ['a later interceptor rejects', { later: [Rejects] }],
      ['a later interceptor throws on the answer', { later: [ThrowsLater] }],
    ])('%s', async (_what, settings) => {
      const { post, keys, count, log } = await recordedUploadApp(
        StorageFilesInterceptor('photo', 3),
        settings,
      );
      const answer = await post(photo, photo, large);
      expect(answer.status).toBe(400);
      expect(count('put')).toBe(3);
      expect(count('deleteMany')).toBe(3);
      expect(await keys()).toEqual([]);
      expect(log.entries).toEqual([]);
    });

    test('a pipe rejects the only file', async () => {
      const { post, keys, count } = await recordedUploadApp(StorageFileInterceptor('photo'), {
        pipes: [new ParseFilePipe({ validators: [new Never({})] })],
      });
      expect((await post(photo)).status).toBe(400);
      expect(count('deleteMany')).toBe(1);
      expect(await keys()).toEqual([]);
    });
  });

  test('everything is kept when the handler succeeds, by value, Promise and Observable', async () => {
    for (const handle of [() => 1, async () => 1, () => of(1)]) {
      const { post, keys, count } = await recordedUploadApp(StorageFilesInterceptor('photo', 3), {
        handle,
      });
      expect((await post(photo, large)).status).toBe(201);
      expect(await keys()).toHaveLength(2);
      expect(count('deleteMany')).toBe(0);
    }
  });

  test('the handler’s own error is answered when the removal fails, and the log tells what is left', async () => {
    const { post, keys, log } = await recordedUploadApp(
      StorageFileInterceptor('photo'),
      {
        handle: () => {
          throw bad;
        },
      },
      () => ({ deleteMany: () => Promise.reject(new StorageConnectionError('gone')) }),
    );
    const answer = await post(photo);
    expect(answer).toMatchObject({ status: 400, json: { message: 'refused' } });
    const [key] = await keys();
    expect(log.text).toContain(key!);
    expect(log.text).toContain('"uploads"');
  });

  describe('a backend that fails', () => {
    const afterBytes = (bytes: number, error: Error) => (): Partial<StorageDriver> => ({
      async put(_key, body) {
        let seen = 0;
        const chunks = body instanceof Uint8Array ? [body] : body;
        for await (const chunk of chunks) {
          seen += chunk.byteLength;
          if (seen >= bytes) throw error;
        }
        throw error;
      },
    });

    test.each([
      ['when it is opened', 0, new StorageConnectionError('refused'), 502, 'CONNECTION_FAILED'],
      ['in the middle', 100_000, new StorageConnectionError('reset'), 502, 'CONNECTION_FAILED'],
      ['at the end', Infinity, new StorageConnectionError('no commit'), 502, 'CONNECTION_FAILED'],
      ['for want of room', 100_000, new StorageQuotaExceededError('full'), 507, 'QUOTA_EXCEEDED'],
      ['for want of rights', 0, new StoragePermissionError('who?'), 403, 'PERMISSION_DENIED'],
      ['with an error of its own', 1, new TypeError('bug in driver'), 500, 'UNKNOWN'],
    ])(
      '%s is answered as JSON with its code, and nothing is left',
      async (_when, bytes, error, status, code) => {
        const { post, keys, log } = await recordedUploadApp(
          StorageFileInterceptor('photo'),
          {},
          afterBytes(bytes, error),
        );
        const answer = await post({ ...photo, content: png(2_000_000) });
        expect(answer.status).toBe(status);
        expect(answer.json).toMatchObject({ statusCode: status, code });
        expect(answer.text).not.toContain(error.message);
        expect(await keys()).toEqual([]);
        if (status >= 500) expect(log.text).toContain(error.message);
      },
    );

    test('for the second file takes the first with it', async () => {
      let puts = 0;
      const { post, keys } = await recordedUploadApp(
        StorageFilesInterceptor('photo', 3),
        {},
        (memory) => ({
          put: (key, body, options) =>
            ++puts === 2
              ? Promise.reject(new StorageConnectionError('second'))
              : memory.put(key, body, options),
        }),
      );
      expect((await post(photo, large, photo)).status).toBe(502);
      expect(await keys()).toEqual([]);
    });
  });
});
