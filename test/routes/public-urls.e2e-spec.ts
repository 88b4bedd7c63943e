import { openStorage } from '../../lib/drivers/open-storage.js';
import { StorageInvalidArgumentError } from '../../lib/core/errors.js';
import { ServeStorageModule } from '../../lib/routes/serve-storage.module.js';
import { StorageModule } from '../../lib/storage.module.js';
import { getStorageToken } from '../../lib/storage.tokens.js';
import type { Storage } from '../../lib/core/storage.js';
import { keyNames } from '../../lib/testing/conformance/key-names.js';
import { closeApps, startApp } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { ADAPTERS, targetOf } from './routes-fixture.js';

afterEach(closeApps);

test.each(Object.entries(ADAPTERS))(
  'the public URL of every key is where %s serves the file',
  async (_, adapter) => {
    const { app, port } = await startApp(
      {
        imports: [
          StorageModule.forRoot({
            storages: { files: { driver: 'memory', publicUrl: 'https://app.example.com/files/' } },
          }),
          ServeStorageModule.forRoot({ path: '/files', public: true }),
        ],
      },
      { adapter: adapter() },
    );
    const storage = app.get<Storage>(getStorageToken());
    for (const key of keyNames()) {
      await storage.put(key, `this is ${key}`);
      const url = await storage.url(key, { public: true });
      expect(url).toMatch(/^https:\/\/app\.example\.com\/files\/[\w.~%/-]+$/);
      // Unchanged by what browsers do to a URL.
      expect(new URL(url).href).toBe(url);
      expect((await send(port, targetOf(url))).text).toBe(`this is ${key}`);
    }
  },
);

test.each(['https://cdn.example.com/?version=1', 'https://cdn.example.com/#', 'cdn.example.com'])(
  'a publicUrl behind which no key arrives is refused: %s',
  async (publicUrl) => {
    const opening = openStorage('files', { driver: 'memory', publicUrl });
    await expect(opening).rejects.toThrow(StorageInvalidArgumentError);
    await expect(opening).rejects.toThrow(/^publicUrl must be an absolute URL/);
  },
);
