import {
  Controller,
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type ModuleMetadata,
  Post,
  type Provider,
  Scope,
  type Type,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import {
  StorageFileInterceptor,
  StorageModule,
  type StoredUpload,
  type UploadInterceptorOptions,
  type UploadPolicy,
} from '../../lib/index.js';
import { closeApps } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { form, formHeaders } from './forms.js';
import { onEachAdapter, startApp } from './upload-fixture.js';

@Injectable()
class TenantPolicy implements UploadPolicy {
  constructor(@Inject('TENANT') private readonly tenant: string) {}

  optionsFor(): UploadInterceptorOptions {
    return { metadata: { tenant: this.tenant } };
  }
}

@Injectable({ scope: Scope.REQUEST })
class RequestPolicy extends TenantPolicy {}

const interceptors = {
  TenantPolicy: StorageFileInterceptor('f', TenantPolicy),
  RequestPolicy: StorageFileInterceptor('f', RequestPolicy),
};

/** A controller whose interceptor has the class of the policy from elsewhere, as that of a library has. */
function controllerAt(path: string, policy: keyof typeof interceptors = 'TenantPolicy'): Type {
  @Controller(path)
  class TenantsController {
    @Post()
    @UseInterceptors(interceptors[policy])
    add(@UploadedFile() file: StoredUpload): unknown {
      return { tenant: file.stored.metadata['tenant'] };
    }
  }
  return TenantsController;
}

const tenant = (name: string): Provider => ({ provide: 'TENANT', useValue: name });

/** Another module, each time. */
function moduleOf(metadata: ModuleMetadata): DynamicModule {
  @Module({})
  class SomeModule {}
  return { module: SomeModule, ...metadata };
}

onEachAdapter(() => {
  afterEach(closeApps);

  /** Asks for the tenant that the policy of a path has given to a file. */
  async function app(metadata: ModuleMetadata): Promise<(path?: string) => Promise<unknown>> {
    const { port } = await startApp({
      ...metadata,
      imports: [
        StorageModule.forRoot({ storages: { a: { driver: 'memory' } } }),
        ...(metadata.imports ?? []),
      ],
    });
    return async (path = '/') => {
      const file = { name: 'f', filename: 'a.txt', content: 'text' };
      const body = form(file);
      const answer = await send(port, path, { method: 'POST', headers: formHeaders, body });
      return (answer.json as { tenant?: unknown }).tenant;
    };
  }

  const controllers = [controllerAt('/')];

  test('each app has a policy of its own, made or provided', async () => {
    const first = await app({ controllers, providers: [tenant('first')] });
    const second = await app({ controllers, providers: [tenant('second')] });
    const mock: UploadPolicy = { optionsFor: () => ({ metadata: { tenant: 'mock' } }) };
    const mocked = await app({
      controllers,
      providers: [{ provide: TenantPolicy, useValue: mock }],
    });
    expect([await first(), await second(), await mocked()]).toEqual(['first', 'second', 'mock']);
  });

  test('each module has a policy made with what is injected into that module', async () => {
    const one = moduleOf({ controllers: [controllerAt('one')], providers: [tenant('one')] });
    const two = moduleOf({ controllers: [controllerAt('two')], providers: [tenant('two')] });
    const tenantOf = await app({ imports: [one, two] });
    expect([await tenantOf('/one'), await tenantOf('/two')]).toEqual(['one', 'two']);
  });

  test.each([
    ['of the app', 'TenantPolicy', TenantPolicy],
    ['of the request', 'RequestPolicy', RequestPolicy],
  ] as const)('of several providers %s, it is the one that Nest would inject', async (...row) => {
    const [, name, policy] = row;
    const provided = (path: string): DynamicModule =>
      moduleOf({ controllers: [controllerAt(path, name)], providers: [policy, tenant(path)] });
    const exporting = (text: string): DynamicModule =>
      moduleOf({ providers: [policy, tenant(text)], exports: [policy] });
    const importing = (path: string, imported: DynamicModule): DynamicModule =>
      moduleOf({ controllers: [controllerAt(path, name)], imports: [imported] });
    const handsOn = exporting('re-exported');
    const tenantOf = await app({
      imports: [
        provided('provided'),
        importing('imported', exporting('imported')),
        importing('re-exported', moduleOf({ imports: [handsOn], exports: [handsOn.module] })),
        // A module that keeps what it imports to itself.
        importing('kept', moduleOf({ imports: [exporting('not for others')] })),
        moduleOf({ providers: [policy, tenant('last')] }),
      ],
    });
    for (const path of ['provided', 'imported', 're-exported']) {
      expect(await tenantOf(`/${path}`)).toBe(path);
    }
    // Nest would find none for it: any will do.
    expect(await tenantOf('/kept')).toBe('last');
  });
});
