import initSqlJs from 'sql.js';
import { createStorage } from '../../lib/index.js';
import { describeStorageDriver } from '../../lib/testing/conformance/index.js';
import { SqliteDriver } from '../../sample/sqlite-driver/sqlite.driver.js';

// The example of docs/custom-drivers.md.
describeStorageDriver('sqlite', async () => {
  const { Database } = await initSqlJs();
  const storage = createStorage('sqlite', { driver: new SqliteDriver(new Database()) });
  return { storage, destroy: () => storage.close() };
});
