import { Test } from '@nestjs/testing';
import type { Storage } from '../../lib/core/storage.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { StorageModule } from '../../lib/storage.module.js';
import { getStorageToken } from '../../lib/storage.tokens.js';
import type { OpenedStorage } from '../../lib/testing/conformance/index.js';
import { LogRecorder } from '../nest/app-fixture.js';
import { ADAPTERS, signingKeys } from '../routes/routes-fixture.js';

/** A storage in an app that serves its URLs, on one of the adapters. */
export async function openServed(
  adapter: string,
  configuration: StorageConfiguration,
): Promise<OpenedStorage> {
  const module = await Test.createTestingModule({
    imports: [
      StorageModule.forRoot({ storages: { 'my files': configuration }, routes: { signingKeys } }),
    ],
  })
    .setLogger(new LogRecorder())
    .compile();
  const app = module.createNestApplication(ADAPTERS[adapter]!());
  await app.listen(0, '127.0.0.1');
  const storage = app.get<Storage>(getStorageToken('my files'));
  await storage.open();
  return {
    storage,
    async destroy() {
      (app.getHttpServer() as { closeAllConnections(): void }).closeAllConnections();
      await app.close();
    },
  };
}
