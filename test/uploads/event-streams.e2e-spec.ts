import { Controller, type MessageEvent, Sse, UseInterceptors } from '@nestjs/common';
import { concat, NEVER, type Observable, of } from 'rxjs';
import {
  getStorageToken,
  type Storage,
  StorageFileInterceptor,
  StorageModule,
} from '../../lib/index.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { openSocket } from '../nest/http-client.js';
import { form, png, requestHead } from './forms.js';
import { onEachAdapter, startApp } from './upload-fixture.js';

onEachAdapter(() => {
  afterEach(closeApps);

  test('a client that leaves in the middle of an event stream takes the files with it', async () => {
    @Controller()
    class EventsController {
      @Sse('events')
      @UseInterceptors(StorageFileInterceptor('photo'))
      events(): Observable<MessageEvent> {
        return concat(of({ data: 'first' }), NEVER);
      }
    }
    const { app, port } = await startApp({
      imports: [StorageModule.forRoot({ storages: { uploads: { driver: 'memory' } } })],
      controllers: [EventsController],
    });
    const storage = app.get<Storage>(getStorageToken('uploads'));
    const files = async (): Promise<number> => {
      let count = 0;
      for await (const _file of storage.list()) count++;
      return count;
    };
    const body = form({ name: 'photo', filename: 'a.png', type: 'image/png', content: png() });
    const socket = await openSocket(port);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += String(chunk)));
    socket.write(requestHead('/events', body.length).replace('POST', 'GET'));
    socket.write(body);
    await until(() => answer.includes('first'));
    expect(await files()).toBe(1);
    socket.destroy();
    await until(async () => (await files()) === 0);
  });
});
