// What a call to Azure Blob Storage costs the processor: of this library by its own requests and through the SDK's pipeline, and of
// the SDK alone, against a server that does nothing.
import { compareClients } from '../compare-clients.js';

/**
 * Each request goes through the SDK's pipeline, and what is put around it is not free: none of these rows is at 1 yet. An upload
 * over plain HTTP carries an MD5 of each block, which the SDK alone does not send.
 *
 * @returns whether no row is behind the SDK alone by more than is allowed
 */
export const run = () =>
  compareClients({
    name: 'azure',
    clients: ['direct', 'sdk', 'plain'],
    least: {
      'small put': 0.5,
      'small get': 0.5,
      info: 0.5,
      list: 0.5,
      upload: 0.5,
      download: 0.5,
    },
    keys: 20_000,
    base: import.meta.url,
  });
