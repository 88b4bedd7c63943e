// What a call to Azure Blob Storage costs the processor: of this library by its own requests and through the SDK's pipeline, and of
// the SDK alone, against a server that does nothing.
import { compareClients } from '../compare-clients.js';

/**
 * An upload over plain HTTP carries an MD5 of each block, which the SDK alone does not send: it takes more than half of that row.
 *
 * @returns whether no row is behind the SDK alone by more than is allowed
 */
export const run = () =>
  compareClients({
    name: 'azure',
    clients: ['direct', 'sdk', 'plain'],
    least: {
      'small put': 0.9,
      'small get': 1,
      info: 1,
      list: 3,
      upload: 0.5,
      download: 0.8,
    },
    keys: 20_000,
    base: import.meta.url,
  });
