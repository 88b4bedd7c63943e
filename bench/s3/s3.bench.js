// What calls to S3 take: of this library by its own requests and through the SDK's command stack, of other storages, of the SDK
// alone, and of requests that are signed by hand.
import { serviceRows } from '../service-rows.js';
import { CLIENTS } from './clients.js';

export const title = 'an S3 that answers at once';

const small = {
  wanted: { limit: 2, 'the SDK': 0.25, FlyDrive: 0.25, Flystorage: 0.25 },
  bounds: { limit: 4, 'the SDK': 0.7, FlyDrive: 0.7, Flystorage: 0.7 },
  why: 'Small calls to S3',
};

/** @param {boolean} quick whether less is to be done, for ratios that are less sure */
export function rows(quick) {
  return serviceRows({
    clients: CLIENTS,
    limit: 'signed by hand',
    operations: {
      put: small,
      get: small,
      info: small,
      list: {
        wanted: { 'the SDK': 0.25, best: 1 },
        bounds: { 'the SDK': 0.4, best: 1.5 },
        why: 'Listings of S3',
      },
      // FlyDrive sends one request, for a body whose length it has to be told; OpenDAL sends no checksum.
      upload: {
        wanted: { limit: 1.25, 'the SDK': 0.5, best: 1 },
        bounds: { limit: 2, 'the SDK': 0.75, best: 2 },
        why: 'Large uploads to S3',
      },
      download: { wanted: { limit: 1.1, best: 1 } },
    },
    base: import.meta.url,
    quick,
  });
}
