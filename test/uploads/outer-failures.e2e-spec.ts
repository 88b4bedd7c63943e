import {
  BadRequestException,
  type CallHandler,
  Catch,
  type ExceptionFilter,
  type ArgumentsHost,
  type ExecutionContext,
  HttpException,
  type NestInterceptor,
} from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import { StorageFileInterceptor } from '../../lib/index.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { openSocket } from '../nest/http-client.js';
import { form, png, requestHead } from './forms.js';
import { onEachAdapter, recordedUploadApp } from './upload-fixture.js';

const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png(100_000) };

class FailsAround implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      map(() => {
        throw new BadRequestException('around');
      }),
    );
  }
}

@Catch(HttpException)
class AnswersWell implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<{
      status(code: number): { send(body: unknown): void };
    }>();
    response.status(200).send({ ok: true });
  }
}

onEachAdapter(() => {
  afterEach(closeApps);

  test('an interceptor around the uploads that fails removes them, whatever a filter answers', async () => {
    for (const overwrite of [false, true]) {
      const app = await recordedUploadApp(StorageFileInterceptor('photo', { overwrite }), {
        earlier: [FailsAround],
        filters: [new AnswersWell()],
      });
      const answer = await app.post(photo);
      expect([answer.status, answer.json]).toEqual([200, { ok: true }]);
      expect(await app.keys()).toEqual([]);
      expect(app.count('put')).toBe(1);
    }
  });

  test('nothing is logged when a client leaves, by an app without a filter for it either', async () => {
    const app = await recordedUploadApp(StorageFileInterceptor('photo'));
    const body = form(photo);
    const socket = await openSocket(app.port);
    socket.write(requestHead('/', body.length));
    socket.write(body.subarray(0, 50_000));
    await until(() => app.count('put') === 1);
    socket.destroy();
    // Waits for all that is under way.
    await app.app.close();
    expect(await app.keys()).toEqual([]);
    expect(app.log.entries).toEqual([]);
  });
});
