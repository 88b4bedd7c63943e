import type { FactoryProvider, Type } from '@nestjs/common';
import { MODULE_PATH } from '@nestjs/common/constants.js';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { claimPath, mountedPath } from './route-path.js';

/** Where the routes of one module are in the app. */
export class RouteMounts {
  constructor(
    private readonly module: Type,
    private readonly config: ApplicationConfig,
    private readonly modules: ModulesContainer,
  ) {}

  /** For the providers of the module. */
  static of(module: () => Type): FactoryProvider<RouteMounts> {
    return {
      provide: RouteMounts,
      inject: [ApplicationConfig, ModulesContainer],
      useFactory: (config: ApplicationConfig, modules: ModulesContainer) =>
        new RouteMounts(module(), config, modules),
    };
  }

  /**
   * Takes the path for one controller of the app.
   *
   * @throws StorageConfigurationError when it is taken
   */
  claim(path: string): void {
    claimPath(path, this.config);
  }

  /**
   * The path with what the app puts before it. To be asked when the app is set up.
   *
   * @throws StorageConfigurationError when that is not the same for all requests
   */
  mounted(path: string): string {
    return mountedPath(path, this.config, this.#modulePath);
  }

  /** What `RouterModule` says of the module, in this app or, by itself, in all. */
  get #modulePath(): string {
    const path: unknown =
      Reflect.getMetadata(MODULE_PATH + this.modules.applicationId, this.module) ??
      Reflect.getMetadata(MODULE_PATH, this.module);
    return typeof path === 'string' ? path : '';
  }
}
