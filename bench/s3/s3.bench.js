// What a call to S3 costs the processor: of this library by its own requests and through the SDK's command stack, of the SDK
// alone, and of requests that are signed by hand, against a server that does nothing.
import { compareClients } from '../compare-clients.js';

/** @returns whether no row is behind the SDK alone by more than is allowed */
export const run = () =>
  compareClients({
    name: 's3',
    clients: ['direct', 'sdk', 'plain', 'raw'],
    least: {
      'small put': 1.5,
      'small get': 1.5,
      info: 1.5,
      list: 2.5,
      upload: 1.5,
      download: 0.7,
    },
    base: import.meta.url,
  });
