// Prints the packages that a module with a storage has loaded once it has been used, as JSON: `loaded-packages.ts <configuration>`.
import 'reflect-metadata';
import { Session } from 'node:inspector';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { getStorageToken, type Storage, StorageModule } from '../../lib/index.js';

class AppModule {}
const configuration = JSON.parse(process.argv[2]!) as StorageConfiguration;
Module({ imports: [StorageModule.forRoot({ storages: { files: configuration } })] })(AppModule);
const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
const storage = app.get<Storage>(getStorageToken('files'));
await storage.open();
if (['local', 'memory'].includes(configuration.driver as string)) await storage.put('a', 'hello');
await app.close();
process.stdout.write(JSON.stringify(loadedPackages()));

/** Asks the debugger, which knows the modules of both kinds. */
function loadedPackages(): string[] {
  const found = new Set<string>();
  const session = new Session();
  session.connect();
  session.on('Debugger.scriptParsed', ({ params: { url } }) => {
    const name = /.*[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/.exec(url)?.[1];
    if (name !== undefined) found.add(name.replace('\\', '/'));
  });
  session.post('Debugger.enable');
  session.disconnect();
  return [...found];
}
