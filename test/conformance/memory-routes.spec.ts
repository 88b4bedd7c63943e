import { TIMEOUT } from './timeout.js';
import { describeStorageDriver } from '../../lib/testing/conformance/index.js';
import { openServed } from './routes.js';

// On one of them with a prefix: the URLs are of the keys with it, the requests of those without.
describeStorageDriver(
  'memory, served by Express',
  () => openServed('Express', { driver: 'memory', prefix: 'tenant 1/ü-' }),
  { servesUrls: true, timeout: TIMEOUT, prefixBytes: Buffer.byteLength('tenant 1/ü-') },
);

describeStorageDriver(
  'memory, served by Fastify',
  () => openServed('Fastify', { driver: 'memory' }),
  { servesUrls: true, timeout: TIMEOUT },
);
