import {
  Controller,
  Global,
  Inject,
  Injectable,
  type MiddlewareConsumer,
  Module,
  type ModuleMetadata,
  type NestMiddleware,
  type NestModule,
  Optional,
  Post,
  Scope,
  UseInterceptors,
} from '@nestjs/common';
import { ModuleRef, ModulesContainer } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { inspect } from 'node:util';
import {
  getStorageToken,
  InjectStorage,
  type Storage,
  type StorageConfiguration,
  StorageConfigurationError,
  type StorageConfigurationFactory,
  type StorageDriver,
  StorageFileInterceptor,
  StorageHealthIndicator,
  StorageModule,
  StoragePermissionError,
  StorageRegistry,
  createStorage,
} from '../../lib/index.js';
import { closeApps, failure, LogRecorder, startApp } from './app-fixture.js';
import { recordingDriver } from './recording-driver.js';

afterEach(closeApps);

const memory = { driver: 'memory' } as const;

/** As `Promise.withResolvers()`, which Node.js 20 has not. */
function withResolvers(): {
  promise: Promise<void>;
  resolve: () => void;
  reject: (reason: Error) => void;
} {
  let resolve!: () => void;
  let reject!: (reason: Error) => void;
  const promise = new Promise<void>((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}

describe('forRoot', () => {
  test('provides each storage under its token', async () => {
    const { app } = await startApp({
      imports: [StorageModule.forRoot({ storages: { uploads: memory, images: memory } })],
    });
    expect(app.get<Storage>(getStorageToken('uploads')).name).toBe('uploads');
    expect(app.get<Storage>(getStorageToken('images')).name).toBe('images');
  });

  test('injects by @InjectStorage into constructors and into properties', async () => {
    @Injectable()
    class Photos {
      @InjectStorage('images') readonly images!: Storage;
      @InjectStorage() readonly standard!: Storage;
      constructor(@InjectStorage('uploads') readonly uploads: Storage) {}
    }
    const { app } = await startApp({
      imports: [
        StorageModule.forRoot({ default: 'images', storages: { uploads: memory, images: memory } }),
      ],
      providers: [Photos],
    });
    const photos = app.get(Photos);
    expect(photos.uploads.name).toBe('uploads');
    expect(photos.images.name).toBe('images');
    expect(photos.standard).toBe(photos.images);
  });

  test('takes the only storage as the default', async () => {
    const { app } = await startApp({
      imports: [StorageModule.forRoot({ storages: { uploads: memory } })],
    });
    expect(app.get(getStorageToken())).toBe(app.get(getStorageToken('uploads')));
  });

  test('refuses a default that is not among the storages', () => {
    expect(() => StorageModule.forRoot({ default: 'x', storages: { uploads: memory } })).toThrow(
      new StorageConfigurationError('The default storage "x" is not among the storages: uploads'),
    );
  });

  test('refuses to have no storage at all', () => {
    expect(() => StorageModule.forRoot({ storages: {} })).toThrow(StorageConfigurationError);
    expect(() => StorageModule.forRoot({} as never)).toThrow(StorageConfigurationError);
  });

  test('refuses what is no object with options, by the name of who wants one', () => {
    for (const options of [undefined, null, 'uploads']) {
      expect(() => StorageModule.forRoot(options as never)).toThrow(
        new StorageConfigurationError('StorageModule.forRoot() needs an object with its options'),
      );
      expect(() => StorageModule.forFeature({ avatars: options as never })).toThrow(
        'StorageModule.forFeature(): "avatars" needs an object with its options',
      );
    }
  });

  test('refuses an option of its own that it does not know', () => {
    const options = { storages: { uploads: memory }, defualt: 'uploads' };
    expect(() => StorageModule.forRoot(options)).toThrow(
      /^StorageModule\.forRoot\(\): unknown option "defualt"/,
    );
  });

  test.each<[string, () => unknown, string]>([
    ['forRoot', () => StorageModule.forRoot(memory as never), 'driver'],
    [
      'forRootAsync',
      () => StorageModule.forRootAsync({ useFactory: () => memory, inject: [] } as never),
      'useFactory',
    ],
  ])(
    'tells whoever gives %s the options of a storage where they belong',
    (method, call, option) => {
      expect(call).toThrow(
        `StorageModule.${method}(): "${option}" is of one storage, which has a name: { storages: { uploads: { ${option}: … } } }`,
      );
    },
  );

  test('keeps storages to the importing module with isGlobal: false', async () => {
    @Injectable()
    class Inside {
      constructor(@InjectStorage('inside') readonly storage: Storage) {}
    }
    @Module({
      imports: [StorageModule.forRoot({ isGlobal: false, storages: { inside: memory } })],
      providers: [Inside],
    })
    class InsideModule {}
    @Injectable()
    class Outside {
      constructor(@Optional() @Inject(getStorageToken('inside')) readonly storage?: Storage) {}
    }
    const { app } = await startApp({ imports: [InsideModule], providers: [Outside] });
    expect(app.get(Inside, { strict: false }).storage.name).toBe('inside');
    expect(app.get(Outside).storage).toBeUndefined();
  });

  test.each([
    'a b',
    'ü/日本',
    '',
    '(default)',
    'default',
    'constructor',
    '__proto__',
    'nestjs-storages:x',
    'it\'s "quoted"',
  ])('takes %j as a name', async (name) => {
    const storages = Object.fromEntries([
      [name, memory],
      ['other', memory],
    ]);
    const { app } = await startApp({
      imports: [StorageModule.forRoot({ default: 'other', storages })],
    });
    const storage = app.get<Storage>(getStorageToken(name));
    expect(storage.name).toBe(name);
    expect(app.get<Storage>(getStorageToken()).name).toBe('other');
    expect(app.get(StorageRegistry).get(name)).toBe(storage);
  });

  test('makes storages that are found by moduleRef.get() from anywhere', async () => {
    @Injectable()
    class Finder {
      constructor(readonly moduleRef: ModuleRef) {}
    }
    @Injectable()
    class Asker {
      constructor(@InjectStorage('uploads') readonly uploads: Storage) {}
    }
    const { app } = await startApp({
      imports: [
        StorageModule.forRoot({ storages: { uploads: memory } }),
        StorageModule.forRoot({ storages: { second: memory }, default: 'second', isGlobal: false }),
      ],
      providers: [Finder, Asker],
    });
    const { moduleRef } = app.get(Finder);
    const found = moduleRef.get<Storage>(getStorageToken('uploads'), { strict: false });
    expect(found).toBe(app.get(Asker).uploads);
  });
});

describe('forRootAsync', () => {
  @Injectable()
  class Settings {
    readonly prefix = 'configured/';
  }
  @Module({ providers: [Settings], exports: [Settings] })
  class SettingsModule {}

  class Maker implements StorageConfigurationFactory {
    createStorageConfiguration(name: string): StorageConfiguration {
      return { driver: 'memory', prefix: `${name}/` };
    }
  }

  test('calls each factory with what it injects from its own imports', async () => {
    const recorded = await recordingDriver();
    const { app } = await startApp({
      imports: [
        StorageModule.forRootAsync({
          storages: {
            uploads: {
              imports: [SettingsModule],
              inject: [Settings],
              useFactory: async (settings: Settings) => ({
                driver: recorded.driver,
                prefix: settings.prefix,
              }),
            },
          },
        }),
      ],
    });
    await app.get<Storage>(getStorageToken('uploads')).put('a.txt', 'a');
    expect(await recorded.keys()).toEqual(['configured/a.txt']);
  });

  test('takes imports for all factories, optional dependencies, and static storages beside them', async () => {
    const { app } = await startApp({
      imports: [
        StorageModule.forRootAsync({
          imports: [SettingsModule],
          default: 'plain',
          storages: {
            plain: memory,
            made: {
              inject: [Settings, { token: 'absent', optional: true }],
              useFactory: (settings: Settings, absent: unknown) => {
                expect(settings).toBeInstanceOf(Settings);
                expect(absent).toBeUndefined();
                return memory;
              },
            },
          },
        }),
      ],
    });
    expect(app.get<Storage>(getStorageToken('plain')).driver).toBe('memory');
    expect(app.get<Storage>(getStorageToken('made')).driver).toBe('memory');
  });

  test('makes configurations by useClass and tells it the name', async () => {
    const { app } = await startApp({
      imports: [StorageModule.forRootAsync({ storages: { a: { useClass: Maker } } })],
    });
    await app.get<Storage>(getStorageToken('a')).put('x', '1');
    expect(await app.get<Storage>(getStorageToken('a')).exists('x')).toBe(true);
  });

  test('makes several configurations by one class', async () => {
    const { app } = await startApp({
      imports: [
        StorageModule.forRootAsync({
          default: 'a',
          storages: { a: { useClass: Maker }, b: { useClass: Maker } },
        }),
      ],
    });
    expect(app.get<Storage>(getStorageToken('b')).name).toBe('b');
  });

  test('makes configurations by useExisting', async () => {
    @Module({ providers: [Maker], exports: [Maker] })
    class MakerModule {}
    const { app } = await startApp({
      imports: [
        StorageModule.forRootAsync({
          storages: { a: { imports: [MakerModule], useExisting: Maker } },
        }),
      ],
    });
    expect(app.get<Storage>(getStorageToken()).name).toBe('a');
  });

  test('refuses a storage with neither a driver nor a factory, by its name', () => {
    expect(() => StorageModule.forRootAsync({ storages: { uploads: {} } })).toThrow(
      'Storage "uploads": one of useFactory, useClass, useExisting or driver is needed',
    );
  });

  test('refuses a class without the method, by the name of the storage', async () => {
    class Other {}
    const storages = { uploads: { useClass: Other as unknown as typeof Maker } };
    const error = await failure(startApp({ imports: [StorageModule.forRootAsync({ storages })] }));
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain(
      'Storage "uploads": what useClass or useExisting names must have the method createStorageConfiguration(name)',
    );
  });

  test.each([undefined, null, 'secret-connection-string'])(
    'refuses %p from a factory, without repeating it',
    async (made) => {
      const error = await failure(
        startApp({
          imports: [
            StorageModule.forRootAsync({
              storages: { uploads: { useFactory: () => made as never } },
            }),
          ],
        }),
      );
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toContain('Storage "uploads"');
      expect(error.message).not.toContain('secret');
    },
  );

  test.each([undefined, null, 'secret-connection-string'])(
    'refuses %p as a configuration, without repeating it',
    async (given) => {
      const error = await failure(() =>
        startApp({
          imports: [StorageModule.forRoot({ storages: { uploads: given as never } })],
        }),
      );
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toContain('Storage "uploads"');
      expect(error.message).not.toContain('secret');
    },
  );

  test('ends the start when a factory throws, with the factory’s own error', async () => {
    const error = await failure(
      startApp({
        imports: [
          StorageModule.forRootAsync({
            storages: {
              uploads: {
                useFactory: () => {
                  throw new RangeError('no config');
                },
              },
            },
          }),
        ],
      }),
    );
    expect(error).toBeInstanceOf(RangeError);
  });
});

describe('forFeature', () => {
  test('gives a part of a named storage a name of its own', async () => {
    const recorded = await recordingDriver();
    @Injectable()
    class Avatars {
      constructor(@InjectStorage('avatars') readonly avatars: Storage) {}
    }
    @Module({
      imports: [StorageModule.forFeature({ avatars: { storage: 'uploads', prefix: 'avatars/' } })],
      providers: [Avatars],
    })
    class AvatarsModule {}
    const { app } = await startApp({
      imports: [
        AvatarsModule,
        StorageModule.forRoot({ storages: { uploads: { driver: recorded.driver } } }),
      ],
    });
    await app.get(Avatars, { strict: false }).avatars.put('a.png', 'a');
    expect(await recorded.keys()).toEqual(['avatars/a.png']);
  });

  test('is known by its name to the registry and to health checks', async () => {
    const { app } = await startApp({
      imports: [
        StorageModule.forRoot({ storages: { uploads: memory } }),
        StorageModule.forFeature({ avatars: { storage: 'uploads', prefix: 'avatars/' } }),
      ],
    });
    const registry = app.get(StorageRegistry);
    expect(registry.has('avatars')).toBe(true);
    expect(registry.get('avatars')).toBe(app.get<Storage>(getStorageToken('avatars')));
    expect(registry.names).toEqual(['uploads']);
    expect(() => registry.get('avatar')).toThrow('the storages are "uploads", "avatars"');
    const health = await app.get(StorageHealthIndicator).check('avatars', { write: true });
    expect(health).toEqual({ avatars: { status: 'up', driver: 'memory' } });
  });

  test('gives a part of the default storage, to read only', async () => {
    const { app } = await startApp({
      imports: [
        StorageModule.forRoot({ storages: { uploads: memory } }),
        StorageModule.forFeature({ published: { prefix: 'published/', readonly: true } }),
      ],
    });
    await app.get<Storage>(getStorageToken()).put('published/a.txt', 'a');
    const published = app.get<Storage>(getStorageToken('published'));
    expect((await published.getBytes('a.txt')).toString()).toBe('a');
    expect(await failure(published.put('b.txt', 'b'))).toBeInstanceOf(StoragePermissionError);
  });

  test('lets two modules register the same feature alike', async () => {
    const feature = { avatars: { storage: 'uploads', prefix: 'avatars/' } };
    const { app } = await startApp({
      imports: [
        StorageModule.forRoot({ storages: { uploads: memory } }),
        StorageModule.forFeature({ ...feature }),
        StorageModule.forFeature({ avatars: { ...feature.avatars } }),
      ],
    });
    expect(app.get<Storage>(getStorageToken('avatars')).name).toBe('uploads');
  });

  test.each([
    ['another feature', [{ avatars: { prefix: 'a/' } }, { avatars: { prefix: 'b/' } }]],
    ['a storage', [{ uploads: { prefix: 'a/' } }]],
  ])('refuses a name that is taken by %s', async (_what, features) => {
    const error = await failure(
      startApp({
        imports: [
          StorageModule.forRoot({ storages: { uploads: memory } }),
          ...(features as Record<string, { prefix: string }>[]).map((each) =>
            StorageModule.forFeature(each),
          ),
        ],
      }),
    );
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toMatch(/"(avatars|uploads)"/);
  });

  test('tells a storage that is not there, and those that are', async () => {
    const error = await failure(
      startApp({
        imports: [
          StorageModule.forRoot({ storages: { uploads: memory } }),
          StorageModule.forFeature({ avatars: { storage: 'absent-of-feature', prefix: 'a/' } }),
        ],
      }),
    );
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain('The storage "avatars" wants the storage "absent-of-feature"');
    expect(error.message).toContain('"uploads"');
  });

  test.each([
    ['no prefix', {}],
    ['an empty prefix', { prefix: '' }],
    ['a prefix that climbs', { prefix: '../' }],
    ['an unknown option', { prefix: 'a/', readOnly: true }],
  ])('refuses %s, telling which feature it is', async (_what, feature) => {
    const error = await failure(async () =>
      startApp({
        imports: [
          StorageModule.forRoot({ storages: { uploads: memory } }),
          StorageModule.forFeature({ avatars: feature as { prefix: string } }),
        ],
      }),
    );
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain('avatars');
  });
});

describe('opening', () => {
  const unusable: StorageConfiguration = {
    driver: 's3',
    bucket: 'b',
    region: 'eu-central-1',
    endpoint: 'http://127.0.0.1:1',
    accessKeyId: 'wrong',
    secretAccessKey: 'wrong',
  };

  test('is left to the first use: a storage that could not work does not stop the app', async () => {
    const { app } = await startApp({
      imports: [
        StorageModule.forRoot({ default: 'good', storages: { good: memory, bad: unusable } }),
      ],
    });
    const good = app.get<Storage>(getStorageToken('good'));
    await good.put('a', 'a');
    expect(await good.exists('a')).toBe(true);
    expect(() => app.get<Storage>(getStorageToken('bad')).client).toThrow('not open yet');
  });

  test('fails at first use with the reason, when the driver cannot be opened', async () => {
    const { app } = await startApp({
      imports: [
        StorageModule.forRoot({
          storages: { bad: { driver: 'local', root: '/dev/null/below', createRoot: true } },
        }),
      ],
    });
    const error = await failure(app.get<Storage>(getStorageToken('bad')).exists('a'));
    expect(error).toMatchObject({ storage: 'bad' });
  });

  test('happens at the start with eager: true, and ends it when it fails', async () => {
    const eager = (bad: StorageConfiguration): Promise<unknown> =>
      startApp({
        imports: [
          StorageModule.forRoot({ eager: true, default: 'good', storages: { good: memory, bad } }),
        ],
      });
    await eager(memory);
    const error = await failure(
      eager({ driver: 'local', root: '/dev/null/below', createRoot: true }),
    );
    expect(error).toMatchObject({ storage: 'bad' });
  });

  test('makes every storage usable at once with eager: true', async () => {
    const { app } = await startApp({
      imports: [StorageModule.forRoot({ eager: true, storages: { uploads: memory } })],
    });
    expect(app.get<Storage>(getStorageToken()).capabilities.ranges).toBe(true);
  });

  test('leaves nothing open when one of the eager storages fails', async () => {
    const recorded = await recordingDriver();
    await failure(
      startApp({
        imports: [
          StorageModule.forRoot({
            eager: true,
            default: 'good',
            storages: {
              good: { driver: recorded.driver },
              bad: { driver: 'local', root: '/dev/null/below', createRoot: true },
            },
          }),
        ],
      }),
    );
    expect(recorded.calls).toEqual(['close']);
  });
});

describe('a wrong configuration ends the start with a StorageConfigurationError', () => {
  const start = (...roots: Parameters<typeof StorageModule.forRoot>[0][]): Promise<Error> =>
    failure(async () =>
      startApp({ imports: roots.map((options) => StorageModule.forRoot(options)) }),
    );

  test('when two modules register the same name', async () => {
    const error = await start({ storages: { uploads: memory } }, { storages: { uploads: memory } });
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain('"uploads" is registered twice');
  });

  describe('when two modules have a default storage', () => {
    const imports = [{ one: memory }, { two: memory }].map((storages) =>
      StorageModule.forRoot({ storages }),
    );

    @Injectable()
    class Photos {
      constructor(@InjectStorage() readonly storage: Storage) {}
    }
    @Controller()
    class Documents {
      @InjectStorage() readonly storage!: Storage;
    }
    @Controller()
    class Forms {
      @Post()
      @UseInterceptors(StorageFileInterceptor('photo'))
      add(): void {}
    }
    @Injectable()
    class Watching implements NestMiddleware {
      constructor(@InjectStorage() readonly storage: Storage) {}
      use(_request: unknown, _response: unknown, next: () => void): void {
        next();
      }
    }
    const lister = { provide: 'LISTER', inject: [getStorageToken()], useFactory: () => ({}) };

    test.each<[string, ModuleMetadata]>([
      ['Photos', { providers: [Photos] }],
      ['Photos', { providers: [{ provide: Photos, useClass: Photos, scope: Scope.REQUEST }] }],
      ['Documents', { controllers: [Documents] }],
      ['StorageFileInterceptor(photo)', { controllers: [Forms] }],
      ['LISTER', { providers: [lister] }],
      ['lister', { providers: [{ ...lister, provide: Symbol('lister') }] }],
    ])('and %s wants it', async (name, metadata) => {
      const error = await failure(startApp({ imports, ...metadata }));
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toBe(
        `${name} wants the default storage, but there are several: "one" and "two"; give one by name, or put the storages into one StorageModule.forRoot()`,
      );
    });

    test('and a middleware wants it', async () => {
      @Module({})
      class Watched implements NestModule {
        configure(consumer: MiddlewareConsumer): void {
          consumer.apply(Watching).forRoutes('*path');
        }
      }
      const error = await failure(startApp({ imports: [...imports, Watched] }));
      expect(error.message).toContain('Watching wants the default storage, but there are several');
    });

    test('never for a class of another app of the process', async () => {
      expect(Photos).toBeDefined();
      const { app } = await startApp({ imports });
      expect(app.get(StorageRegistry).names).toEqual(['one', 'two']);
    });
  });

  test('for an unknown driver, naming those there are', async () => {
    const error = await start({ storages: { uploads: { driver: 'ftp' } as never } });
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain('Storage "uploads": there is no driver "ftp"');
    expect(error.message).toContain('memory, local, s3');
  });

  test('for an unknown option, naming those there are', async () => {
    const error = await start({ storages: { uploads: { driver: 'memory', maxsize: 1 } as never } });
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain('Storage "uploads": unknown option "maxsize"');
    expect(error.message).toContain('maxSize');
  });

  test('for an object that is no driver', async () => {
    const error = await start({ storages: { uploads: { driver: {} } as never } });
    expect(error).toBeInstanceOf(StorageConfigurationError);
  });

  test('never with a secret in it', async () => {
    const secret = 'HUNTER2-SECRET';
    const wrong: unknown[] = [
      { driver: 's3', bucket: 'b', secretAccessKey: secret, region: 'x', secretKey: secret },
      { driver: 's4', secretAccessKey: secret },
      { secretAccessKey: secret },
      `s3://key:${secret}@bucket`,
      [secret],
      { driver: { secretAccessKey: secret } },
      { driver: 's3', bucket: 'b', region: 'x', secretAccessKey: secret, concurrency: 0 },
      { driver: 's3', bucket: 'b', region: 'x', secretAccessKey: secret, retry: 'often' },
      { driver: 'memory', baseUrl: 'x', signingKeys: [{ id: 'k', secret }] },
    ];
    for (const configuration of wrong) {
      const log = new LogRecorder();
      let error: unknown;
      try {
        const module = await Test.createTestingModule({
          imports: [
            StorageModule.forRoot({ eager: true, storages: { a: configuration as never } }),
          ],
        })
          .setLogger(log)
          .compile();
        await module.init();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(Error);
      const seen = [log.text, inspect(error, { depth: 10, showHidden: true }), String(error)];
      expect(seen.join('\n') + JSON.stringify(error)).not.toContain(secret);
    }
  });
});

describe('a storage that no module registers', () => {
  test('ends the start with an error that lists the known ones', async () => {
    @Injectable()
    class Photos {
      constructor(@InjectStorage('uplaods') readonly storage: Storage) {}
    }
    const error = await failure(
      startApp({
        imports: [
          StorageModule.forRoot({ default: 'uploads', storages: { uploads: memory, b: memory } }),
        ],
        providers: [Photos],
      }),
    );
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain('Photos wants the storage "uplaods"');
    expect(error.message).toContain('"b", "uploads"');
  });

  test('is told also for a property, in a controller, and when the class is decorated after forRoot ran', async () => {
    const root = StorageModule.forRoot({ storages: { uploads: memory } });
    @Controller()
    class LateController {
      @InjectStorage('decorated-late') readonly storage!: Storage;
    }
    const error = await failure(startApp({ imports: [root], controllers: [LateController] }));
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain('LateController wants the storage "decorated-late"');
  });

  test('is told by the name of the interceptor and its field', async () => {
    @Controller()
    class Photos {
      @Post()
      @UseInterceptors(StorageFileInterceptor('photo', { storage: 'uplods' }))
      add(): void {}
    }
    const error = await failure(
      startApp({
        imports: [StorageModule.forRoot({ storages: { uploads: memory } })],
        controllers: [Photos],
      }),
    );
    expect(error.message).toContain('StorageFileInterceptor(photo) wants the storage "uplods"');
  });

  test('is told by the name of the interceptor where only another module sees it', async () => {
    @Controller()
    class Photos {
      @Post()
      @UseInterceptors(StorageFileInterceptor('photo'))
      add(): void {}
    }
    const imports = [
      {
        module: class Other {},
        imports: [StorageModule.forRoot({ storages: { uploads: memory }, isGlobal: false })],
      },
    ];
    const error = await failure(startApp({ imports, controllers: [Photos] }));
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain(
      'StorageFileInterceptor(photo) wants the default storage, which the module',
    );
  });

  test('does no harm when nobody in the app asks for it', async () => {
    @Injectable()
    class Unused {
      constructor(@InjectStorage('never-registered') readonly storage: Storage) {}
    }
    expect(Unused).toBeDefined();
    await startApp({ imports: [StorageModule.forRoot({ storages: { uploads: memory } })] });
  });

  test('may be wanted optionally', async () => {
    @Injectable()
    class Tolerant {
      constructor(@Optional() @Inject(getStorageToken('maybe')) readonly storage?: Storage) {}
    }
    const { app } = await startApp({
      imports: [StorageModule.forRoot({ storages: { uploads: memory } })],
      providers: [Tolerant],
    });
    expect(app.get(Tolerant).storage).toBeUndefined();
  });

  test('is listed by the registry, too', async () => {
    const { app } = await startApp({
      imports: [StorageModule.forRoot({ default: 'a', storages: { a: memory, b: memory } })],
    });
    const registry = app.get(StorageRegistry);
    expect(registry.names).toEqual(['a', 'b']);
    expect(registry.has('c')).toBe(false);
    expect(() => registry.get('c')).toThrow('There is no storage "c"; the storages are "a", "b"');
    expect(() => new StorageRegistry(new ModulesContainer()).get('c')).toThrow(
      'the storages are none',
    );
  });
});

describe('closing the app', () => {
  test('closes each client once, though storages have aliases and views', async () => {
    const first = await recordingDriver();
    const second = await recordingDriver();
    const { app } = await startApp({
      imports: [
        StorageModule.forRoot({
          default: 'a',
          storages: { a: { driver: first.driver }, b: { driver: second.driver } },
        }),
        StorageModule.forFeature({ part: { storage: 'a', prefix: 'p/' } }),
      ],
    });
    await app.close();
    await app.get(StorageRegistry).onApplicationShutdown();
    expect(first.count('close')).toBe(1);
    expect(second.count('close')).toBe(1);
  });

  test('closes the others and logs it when one fails, and does not reject', async () => {
    const failing = await recordingDriver(() => ({
      close: () => Promise.reject(new Error('socket is stuck')),
    }));
    const throwing = await recordingDriver(() => ({
      close: () => {
        throw new Error('at once');
      },
    }));
    const good = await recordingDriver();
    const { app, log } = await startApp({
      imports: [
        StorageModule.forRoot({
          default: 'bad',
          storages: {
            bad: { driver: failing.driver },
            worse: { driver: throwing.driver },
            good: { driver: good.driver },
          },
        }),
      ],
    });
    await app.close();
    expect(good.count('close')).toBe(1);
    expect(log.text).toContain('The storage "bad" could not be closed');
    expect(log.text).toContain('The storage "worse" could not be closed');
  });

  test('closes nothing that was never opened', async () => {
    const { app, log } = await startApp({
      imports: [
        StorageModule.forRoot({
          storages: { bad: { driver: 'local', root: '/dev/null/below' } },
        }),
      ],
    });
    await app.close();
    expect(log.entries).toEqual([]);
  });

  test('ends work that is under way, and closes nothing before it has come to its end', async () => {
    const { driver, calls } = await recordingDriver();
    const { app } = await startApp({
      imports: [StorageModule.forRoot({ eager: true, storages: { a: { driver } } })],
    });
    const storage = app.get<Storage>(getStorageToken());
    const { promise: interrupted, resolve: interrupt } = withResolvers();
    const settled = interrupted.then(() => storage.put('undone.txt', 'by the work itself'));
    app.get(StorageRegistry).holdOpen({ settled, interrupt });
    await app.close();
    expect(calls).toEqual(['put undone.txt', 'close']);
  });

  test('waits for work that fails no longer than for any other', async () => {
    const { driver, calls } = await recordingDriver();
    const { app } = await startApp({
      imports: [StorageModule.forRoot({ eager: true, storages: { a: { driver } } })],
    });
    const { promise: settled, reject } = withResolvers();
    app.get(StorageRegistry).holdOpen({ settled, interrupt: () => reject(new Error('cut off')) });
    await app.close();
    expect(calls).toEqual(['close']);
  });

  test('gives up work that does not end within the shutdownTimeout', async () => {
    const { driver, calls } = await recordingDriver();
    const { app } = await startApp({
      imports: [
        StorageModule.forRoot({ eager: true, shutdownTimeout: 1, storages: { a: { driver } } }),
      ],
    });
    const { promise: settled } = withResolvers();
    app.get(StorageRegistry).holdOpen({ settled, interrupt() {} });
    await app.close();
    expect(calls).toEqual(['close']);
  });

  test('makes later calls fail as closed', async () => {
    const { app } = await startApp({
      imports: [StorageModule.forRoot({ storages: { a: memory } })],
    });
    const storage = app.get<Storage>(getStorageToken());
    await app.close();
    expect(await failure(storage.exists('a'))).toMatchObject({ code: 'CLOSED' });
  });

  test('aborts calls that outlast the shutdownTimeout', async () => {
    const stuck = await recordingDriver(() => ({
      info: (_key, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
    }));
    const { app } = await startApp({
      imports: [
        StorageModule.forRoot({
          shutdownTimeout: 1,
          storages: { a: { driver: stuck.driver } },
        }),
      ],
    });
    const call = failure(app.get<Storage>(getStorageToken()).info('x'));
    await app.close();
    expect(await call).toMatchObject({ code: 'ABORTED' });
  });
});

describe('overriding a storage in a test', () => {
  @Injectable()
  class Everything {
    constructor(
      @InjectStorage('uploads') readonly uploads: Storage,
      @InjectStorage() readonly standard: Storage,
      @InjectStorage('over-avatars') readonly avatars: Storage,
    ) {}
  }

  test('reaches whoever injects it, the default and its features, and opens no client', async () => {
    const fake = createStorage('fake', memory);
    const real = await recordingDriver();
    const neighbour = await recordingDriver();
    const { app } = await startApp(
      {
        imports: [
          StorageModule.forRoot({
            default: 'uploads',
            storages: {
              uploads: { driver: real.driver },
              neighbour: { driver: neighbour.driver },
            },
          }),
          StorageModule.forFeature({ 'over-avatars': { storage: 'uploads', prefix: 'avatars/' } }),
        ],
        providers: [Everything],
      },
      {
        override: (builder) => builder.overrideProvider(getStorageToken('uploads')).useValue(fake),
      },
    );
    const { uploads, standard, avatars } = app.get(Everything);
    expect(uploads).toBe(fake);
    expect(standard).toBe(fake);
    await avatars.put('a', 'a');
    expect(await fake.exists('avatars/a')).toBe(true);
    expect([...real.calls, ...neighbour.calls]).toEqual([]);
  });

  test('never calls the factory of the storage that it replaces', async () => {
    let called = 0;
    await startApp(
      {
        imports: [
          StorageModule.forRootAsync({
            storages: {
              uploads: {
                useFactory: () => {
                  called++;
                  return memory;
                },
              },
            },
          }),
        ],
      },
      {
        override: (builder) =>
          builder
            .overrideProvider(getStorageToken('uploads'))
            .useValue(createStorage('fake', memory)),
      },
    );
    expect(called).toBe(0);
  });
});

describe('two apps in one process', () => {
  test('have storages of their own under the same name', async () => {
    const options = { storages: { uploads: memory } };
    const one = await startApp({ imports: [StorageModule.forRoot(options)] });
    const two = await startApp({ imports: [StorageModule.forRoot(options)] });
    const first = one.app.get<Storage>(getStorageToken());
    const second = two.app.get<Storage>(getStorageToken());
    await first.put('a', 'a');
    expect(await second.exists('a')).toBe(false);
    await one.app.close();
    await second.put('b', 'b');
    expect(await second.exists('b')).toBe(true);
  });

  test('may be made of the same dynamic module', async () => {
    const root = StorageModule.forRoot({ storages: { uploads: memory } });
    const one = await startApp({ imports: [root] });
    const two = await startApp({ imports: [root] });
    await one.app.close();
    expect(await two.app.get<Storage>(getStorageToken()).exists('a')).toBe(false);
  });

  test('are told apart when one lacks a storage that the other has', async () => {
    @Injectable()
    class Photos {
      constructor(@InjectStorage('of-the-first') readonly storage: Storage) {}
    }
    await startApp({
      imports: [StorageModule.forRoot({ storages: { 'of-the-first': memory } })],
      providers: [Photos],
    });
    const error = await failure(
      startApp({
        imports: [StorageModule.forRoot({ storages: { 'of-the-second': memory } })],
        providers: [Photos],
      }),
    );
    expect(error.message).toContain('Photos');
    expect(error.message).toContain('of-the-first');
  });
});

test('a global module may import the storages and hand them on', async () => {
  @Global()
  @Module({
    imports: [StorageModule.forRoot({ isGlobal: false, storages: { shared: memory } })],
    exports: [StorageModule],
  })
  class SharedModule {}
  @Injectable()
  class User {
    constructor(@InjectStorage('shared') readonly storage: Storage) {}
  }
  const { app } = await startApp({ imports: [SharedModule], providers: [User] });
  expect(app.get(User).storage.name).toBe('shared');
});

test('storages of two modules reach a class that is decorated before either', async () => {
  @Injectable()
  class Both {
    constructor(
      @InjectStorage('m1') readonly one: Storage,
      @InjectStorage('m2') readonly two: Storage,
    ) {}
  }
  const { app } = await startApp({
    imports: [
      StorageModule.forRoot({ storages: { m1: memory, m1b: memory } }),
      StorageModule.forRoot({ storages: { m2: memory, m2b: memory } }),
    ],
    providers: [Both],
  });
  expect([app.get(Both).one.name, app.get(Both).two.name]).toEqual(['m1', 'm2']);
});

test('a driver of one’s own is taken as it is', async () => {
  const { driver } = await recordingDriver();
  const { app } = await startApp({
    imports: [StorageModule.forRoot({ storages: { own: { driver: driver as StorageDriver } } })],
  });
  await app.get<Storage>(getStorageToken('own')).put('a', 'a');
  expect(app.get<Storage>(getStorageToken('own')).capabilities).toBe(driver.capabilities);
});
