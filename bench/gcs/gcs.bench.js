// What a call to Google Cloud Storage costs the processor, of this library and of the SDK alone, against a server that does nothing.
import { compareClients } from '../compare-clients.js';

/** @returns whether no row is behind the SDK alone */
export const run = () =>
  compareClients({
    name: 'gcs',
    clients: ['ours', 'plain'],
    least: { 'small put': 1, 'small get': 1, info: 1, list: 1, upload: 1, download: 1 },
    base: import.meta.url,
  });
