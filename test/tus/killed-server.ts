// An app in a process of its own, which somebody kills:
// node --import ../leaks/register.js killed-server.ts '{"adapter":…,"configuration":…,"gcs":…,"partSize":…}'
import 'reflect-metadata';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import type { GcsServiceAccount } from '../../lib/testing/gcs-server/service-account.js';
import { StorageModule } from '../../lib/storage.module.js';
import { TusModule } from '../../lib/tus/index.js';
import { startApp } from '../nest/app-fixture.js';
import { ADAPTERS, signingKeys } from './tus-fixture.js';

export interface KilledServerOptions {
  readonly adapter: string;
  readonly configuration: StorageConfiguration;
  /** What the client of `gcs` is made of. */
  readonly gcs?: {
    readonly apiEndpoint: string;
    readonly projectId: string;
    readonly credentials: GcsServiceAccount;
  };
  readonly partSize: number;
}

const { adapter, configuration, gcs, partSize } = JSON.parse(
  process.argv[2]!,
) as KilledServerOptions;
const client = gcs && (await gcsClientOf(gcs));

const { port } = await startApp(
  {
    imports: [
      StorageModule.forRoot({
        storages: {
          uploads: { ...configuration, ...(client && { client }) } as StorageConfiguration,
        },
      }),
      TusModule.forRoot({ signingKeys, maxSize: '1gb', partSize }),
    ],
  },
  { adapter: ADAPTERS[adapter]!() },
);
// Ends with whoever started it, however that one ended.
process.once('disconnect', () => process.exit());
process.send!(port);

/** Loaded where it is needed: the SDK takes long. */
async function gcsClientOf({
  apiEndpoint,
  projectId,
  credentials,
}: NonNullable<KilledServerOptions['gcs']>): Promise<object> {
  const { clientOptions } = await import('../../lib/testing/gcs-server/client-options.js');
  const { gcsClient } = await import('../drivers/gcs/open-gcs.js');
  return gcsClient(clientOptions(apiEndpoint, projectId, credentials));
}
