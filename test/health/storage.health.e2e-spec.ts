import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { StorageConnectionError, StorageHealthIndicator } from '../../lib/index.js';
import {
  type FakeStorage,
  fakeStorage,
  StorageTestingModule,
} from '../../lib/testing/fakes/index.js';
import { closeApps, startApp, type TestApp } from '../nest/app-fixture.js';

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly storages: StorageHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  check() {
    return this.health.check([
      () => this.storages.check('uploads', { write: true, timeout: '30s' }),
      () => this.storages.check('archive', { storage: 'old', file: 'index.json', timeout: 500 }),
    ]);
  }

  @Get('nowhere')
  @HealthCheck()
  nowhere() {
    return this.health.check([() => this.storages.check('nowhere')]);
  }
}

describe('StorageHealthIndicator, in a health check of Terminus', () => {
  let uploads: FakeStorage;
  let old: FakeStorage;
  let started: TestApp;

  beforeEach(async () => {
    uploads = fakeStorage('uploads');
    old = fakeStorage('old');
    await old.stored.put('index.json', '{}');
    started = await startApp({
      imports: [
        TerminusModule.forRoot({ logger: false }),
        StorageTestingModule.forRoot({ storages: [uploads, old] }),
      ],
      controllers: [HealthController],
    });
  });

  afterEach(closeApps);

  const ask = async (path = 'health'): Promise<[status: number, body: any]> => {
    const response = await fetch(`http://127.0.0.1:${started.port}/${path}`);
    return [response.status, await response.json()];
  };

  test('tells that all of them are up, and leaves nothing behind', async () => {
    expect(await ask()).toEqual([
      200,
      expect.objectContaining({
        status: 'ok',
        details: {
          uploads: { status: 'up', driver: 'fake' },
          archive: { status: 'up', driver: 'fake' },
        },
      }),
    ]);
    expect(uploads.calls.map(({ method }) => method)).toEqual(['list', 'put', 'deleteMany']);
    expect(old.calls.map(({ method }) => method)).toEqual(['info']);
    await expect(uploads.stored.staging().listPage()).resolves.toMatchObject({ files: [] });
  });

  test('tells which one is down, and why, but neither keys nor addresses', async () => {
    uploads.failOn('put', { error: () => new StorageConnectionError('connect 10.0.0.7 refused') });
    const [status, { error, info }] = await ask();
    expect(status).toBe(503);
    expect(error).toEqual({
      uploads: {
        status: 'down',
        driver: 'fake',
        code: 'CONNECTION_FAILED',
        message: 'The file storage cannot be reached',
      },
    });
    expect(Object.keys(info)).toEqual(['archive']);
    expect(started.log.text).toContain('connect 10.0.0.7 refused');
  });

  test('counts a storage as down that does not answer in time', async () => {
    old.delayOn('info', Infinity);
    const [status, { error }] = await ask();
    expect(status).toBe(503);
    expect(error).toMatchObject({ archive: { status: 'down', code: 'TIMEOUT' } });
    expect(started.log.text).toContain('"old" is down (check "archive", file "');
  });

  test('does not wait for the bytes of a write probe to be removed, and tells that they are left', async () => {
    uploads.delayOn('deleteMany', Infinity);
    const health = started.app.get(StorageHealthIndicator);
    const { uploads: result } = await health.check('uploads', { write: true, timeout: 20 });
    expect(result).toMatchObject({ status: 'down', code: 'TIMEOUT' });
    // Until no call is under way.
    await started.app.close();
    expect(started.log.text).toContain('left 28 bytes in the staging area of "uploads"');
  });

  test('takes a timeout that is no whole number of milliseconds', async () => {
    const health = started.app.get(StorageHealthIndicator);
    const options = { write: true, timeout: 100_000 / 3 };
    expect(await health.check('uploads', options)).toMatchObject({ uploads: { status: 'up' } });
    await expect(uploads.stored.staging().listPage()).resolves.toMatchObject({ files: [] });
  });

  test('asks for a page of the storage that the result is named after, where nothing else is said', async () => {
    const health = started.app.get(StorageHealthIndicator);
    expect(await health.check('old')).toEqual({ old: { status: 'up', driver: 'fake' } });
    expect(old.calls).toEqual([{ method: 'list' }]);
  });

  test('counts a storage as down that fails with no error of a storage, as a double in tests may', async () => {
    old.info = () => Promise.reject(new TypeError('not mocked'));
    const health = started.app.get(StorageHealthIndicator);
    expect(await health.check('old', { file: 'index.json' })).toMatchObject({
      old: { status: 'down', code: 'UNKNOWN', message: 'Internal server error' },
    });
    expect(started.log.text).toContain('"old" is down (check "old", file "index.json"): ');
    expect(started.log.text).toContain('TypeError: not mocked');
  });

  test('refuses an option that it does not know, which would pass for a probe', async () => {
    const health = started.app.get(StorageHealthIndicator);
    const mistyped = { writes: true } as object;
    await expect(health.check('uploads', mistyped)).rejects.toThrow(
      'health check "uploads": unknown option "writes"; known are file, storage, timeout, write',
    );
  });

  test('names the storages that there are when one is not', async () => {
    expect((await ask('health/nowhere'))[0]).toBe(500);
    expect(started.log.text).toContain('the storages are "uploads", "old"');
  });
});
