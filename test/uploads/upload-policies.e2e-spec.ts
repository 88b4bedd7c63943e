import {
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Inject,
  Injectable,
  Post,
  type Provider,
  Scope,
  type Type,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import {
  getStorageToken,
  Storage,
  StorageFileFieldsInterceptor,
  StorageFileInterceptor,
  StorageFilesInterceptor,
  StorageModule,
  type UploadInterceptorOptions,
} from '../../lib/index.js';
import type { UploadOptionsSource, UploadPolicy } from '../../lib/uploads/upload-policy.js';
import { closeApps, type TestApp, until } from '../nest/app-fixture.js';
import { type Answer, openSocket, send } from '../nest/http-client.js';
import { form, formHeaders, type Part, png, requestHead } from './forms.js';
import { onEachAdapter, startApp } from './upload-fixture.js';

const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png(500) };

interface TenantRequest {
  headers: Record<string, string>;
}

const requestOf = (context: ExecutionContext): TenantRequest =>
  context.switchToHttp().getRequest<TenantRequest>();

@Injectable()
class Plans {
  readonly made: string[] = [];

  async sizeOf(tenant: string): Promise<number> {
    this.made.push(tenant);
    return tenant === 'large' ? 1000 : 100;
  }
}

@Injectable()
class TenantPolicy implements UploadPolicy {
  constructor(@Inject(Plans) private readonly plans: Plans) {}

  async optionsFor(context: ExecutionContext): Promise<UploadInterceptorOptions> {
    const tenant = requestOf(context).headers['x-tenant']!;
    if (tenant === 'none') throw new ForbiddenException('No tenant');
    return { maxSize: await this.plans.sizeOf(tenant), storage: 'b', metadata: { tenant } };
  }
}

let instances = 0;

@Injectable({ scope: Scope.REQUEST })
class RequestPolicy implements UploadPolicy {
  readonly #number = ++instances;
  constructor(@Inject(REQUEST) private readonly request: TenantRequest) {}

  optionsFor(): UploadInterceptorOptions {
    const tenant = this.request.headers['x-tenant']!;
    return { storage: 'a', metadata: { tenant, number: String(this.#number) } };
  }
}

onEachAdapter(() => {
  afterEach(closeApps);

  interface PolicyApp extends TestApp {
    post: (tenant: string, ...parts: Part[]) => Promise<Answer>;
    keys: (storage: string) => Promise<string[]>;
  }

  async function policyApp(
    source: UploadOptionsSource,
    providers: Provider[] = [],
  ): Promise<PolicyApp> {
    @Controller()
    class TenantsController {
      @Post()
      @UseInterceptors(StorageFileInterceptor('photo', source))
      add(@UploadedFile() file: unknown): unknown {
        return file;
      }
    }
    const { app, port, log } = await startApp({
      imports: [
        StorageModule.forRoot({
          storages: { a: { driver: 'memory' }, b: { driver: 'memory' } },
          default: 'a',
          // What hung at the end of a test would hang it.
          shutdownTimeout: 600_000,
        }),
      ],
      controllers: [TenantsController],
      providers,
    });
    return {
      app,
      port,
      log,
      post: (tenant, ...parts) =>
        send(port, '/', {
          method: 'POST',
          headers: { ...formHeaders, 'X-Tenant': tenant },
          body: form(...parts),
        }),
      keys: async (name) =>
        (await app.get<Storage>(getStorageToken(name)).listPage()).files.map(({ key }) => key),
    };
  }

  test('a function makes the options of each request', async () => {
    const app = await policyApp(async (context) => {
      const tenant = requestOf(context).headers['x-tenant']!;
      return { maxSize: tenant === 'large' ? 1000 : 100, metadata: { tenant } };
    });
    const [large, small] = await Promise.all([app.post('large', photo), app.post('small', photo)]);
    expect(large.json).toMatchObject({ storage: 'a', stored: { metadata: { tenant: 'large' } } });
    expect([small.status, small.json.code]).toEqual([413, 'LIMIT_FILE_SIZE']);
    expect(await app.keys('a')).toEqual([large.json.key]);
  });

  test('a class of the app decides with what is injected into it, storage included', async () => {
    const app = await policyApp(TenantPolicy, [Plans, TenantPolicy]);
    const large = await app.post('large', photo);
    expect(large.json).toMatchObject({ storage: 'b', stored: { metadata: { tenant: 'large' } } });
    expect((await app.post('small', photo)).json.code).toBe('LIMIT_FILE_SIZE');
    expect(app.app.get(Plans).made).toEqual(['large', 'small']);
    expect(await app.keys('b')).toHaveLength(1);
  });

  test('a class that no module provides is made once, with its dependencies', async () => {
    const app = await policyApp(TenantPolicy, [Plans]);
    expect((await app.post('large', photo)).status).toBe(201);
    expect((await app.post('small', photo)).status).toBe(413);
    expect(app.app.get(Plans).made).toEqual(['large', 'small']);
  });

  test('a class of the request is made for each', async () => {
    const app = await policyApp(RequestPolicy, [RequestPolicy]);
    const before = instances;
    const [one, two] = await Promise.all([app.post('one', photo), app.post('two', photo)]);
    expect(one.json.stored.metadata.tenant).toBe('one');
    expect(two.json.stored.metadata.tenant).toBe('two');
    expect(instances - before).toBe(2);
  });

  test('what a policy throws is the answer, and nothing of the form is read', async () => {
    const app = await policyApp(TenantPolicy, [Plans, TenantPolicy]);
    const answer = await app.post('none', photo);
    expect([answer.status, answer.json.message]).toEqual([403, 'No tenant']);
    expect(await app.keys('b')).toEqual([]);
  });

  test('a policy is not asked when the request has no form', async () => {
    const app = await policyApp(TenantPolicy, [Plans, TenantPolicy]);
    const headers = { 'X-Tenant': 'none', 'Content-Type': 'application/json' };
    const answer = await send(app.port, '/', { method: 'POST', headers, body: '{}' });
    expect(answer.status).toBe(201);
  });

  test.each([
    [
      'an option that is not there',
      { maxSiez: 5 },
      'StorageFileInterceptor(photo) was given options for a request that are not well-formed: There is no upload option',
    ],
    [
      'a storage that is not there',
      { storage: 'nowhere' },
      'StorageFileInterceptor(photo) was told for a request to use the storage "nowhere", which no module registers',
    ],
    ['no options', undefined, 'options must be an object'],
  ])('%s is a 500 that the log explains', async (_what, options, message) => {
    const started = await policyApp(() => options as never);
    const answer = await started.post('x', photo);
    expect([answer.status, answer.json.message]).toEqual([500, 'Internal server error']);
    expect(await started.keys('a')).toEqual([]);
    expect(started.log.text).toContain(message);
  });

  test('a client that leaves while the policy decides holds up no shutdown', async () => {
    let decide: () => void = () => {};
    let asked = 0;
    const decided = new Promise<void>((resolve) => (decide = resolve));
    const app = await policyApp(async () => {
      asked++;
      await decided;
      return {};
    });
    const socket = await openSocket(app.port);
    socket.write(requestHead('/', 100_000));
    await until(() => asked === 1);
    socket.destroy();
    const server = app.app.getHttpServer() as {
      getConnections(done: (error: unknown, count: number) => void): void;
    };
    await until(
      () => new Promise((resolve) => server.getConnections((_e, count) => resolve(count === 0))),
    );
    decide();
    // Waits for all that is under way.
    await app.app.close();
  });

  test('several files and several fields take policies, too', async () => {
    const source: UploadOptionsSource = () => ({ maxSize: 100 });
    @Controller()
    class ManyController {
      @Post('list')
      @UseInterceptors(StorageFilesInterceptor('photo', 2, source))
      list(): void {}

      @Post('fields')
      @UseInterceptors(
        StorageFileFieldsInterceptor([{ name: 'photo', maxSize: 1000 }, { name: 'b' }], source),
      )
      fields(): void {}
    }
    const { port } = await startApp({
      imports: [StorageModule.forRoot({ storages: { a: { driver: 'memory' } } })],
      controllers: [ManyController],
    });
    const post = async (path: string, ...parts: Part[]): Promise<number> =>
      (await send(port, path, { method: 'POST', headers: formHeaders, body: form(...parts) }))
        .status;
    const small = { ...photo, content: png(100) };
    expect(await post('/list', small, small)).toBe(201);
    expect(await post('/list', small, photo)).toBe(413);
    expect(await post('/list', small, small, small)).toBe(400);
    expect(await post('/fields', photo)).toBe(201);
    expect(await post('/fields', { ...photo, name: 'b' })).toBe(413);
  });

  test('a policy of the request that no module provides ends the start, and says what to do', async () => {
    await expect(policyApp(RequestPolicy)).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message:
        'The policy RequestPolicy depends on the request, so it cannot be made while the app starts; put it among the providers of a module, and it is made for each request',
      cause: expect.any(Error) as unknown,
    });
  });

  test('a policy whose dependencies are not there ends the start', async () => {
    await expect(policyApp(TenantPolicy as Type<UploadPolicy>)).rejects.toThrow(/Plans/);
  });
});
