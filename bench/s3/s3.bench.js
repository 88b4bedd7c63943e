// What a call to S3 costs the processor: of this library by its own requests and through the SDK's command stack, of the SDK
// alone, and of requests that are signed by hand, against a server that does nothing.
import { compareClients } from '../compare-clients.js';
import { startProcess } from '../processes.js';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const CALLS = 2000;

/** @returns whether no row is behind the SDK alone by more than is allowed */
export async function run() {
  console.log(
    `s3: milliseconds of the processor, medians of ${ROUNDS} rounds; ${CALLS} calls of 4 KiB, 64 at once; 100,000 keys; 256 MiB; on Node ${process.version}`,
  );
  const server = await startProcess('sink-server.js', {}, import.meta.url);
  try {
    return await compareClients({
      clients: ['direct', 'sdk', 'plain', 'raw'],
      least: {
        'small put': 1.5,
        'small get': 1.5,
        info: 1.5,
        list: 2.5,
        upload: 1.5,
        download: 0.7,
      },
      rounds: ROUNDS,
      options: { ...server.ready, count: CALLS },
      base: import.meta.url,
    });
  } finally {
    await server.stop();
  }
}
