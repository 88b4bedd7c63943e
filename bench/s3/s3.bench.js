// What a call to S3 costs the processor: of this library by its own requests and through the SDK's command stack, and of the SDK
// alone, against a server that does nothing. Rounds are interleaved, so that what else the machine does strikes all alike.
import { startProcess } from '../processes.js';

const CLIENTS = ['direct', 'sdk', 'plain'];
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const CALLS = 2000;
/** The least that the SDK alone must cost, as a multiple of ours. */
const LEAST = {
  'small put': 1.5,
  'small get': 1.5,
  info: 1.5,
  'list 100,000': 1.3,
  'upload 256 MiB': 1.2,
  'download 256 MiB': 0.7,
};

/** @returns whether no row is behind the SDK alone by more than `LEAST` says */
export async function run() {
  console.log(
    `s3: milliseconds of the processor, medians of ${ROUNDS} rounds; ${CALLS} calls of 4 KiB, 64 at once; on Node ${process.version}`,
  );
  const server = await startProcess('sink-server.js', {}, import.meta.url);
  const measured = Object.fromEntries(CLIENTS.map((client) => [client, []]));
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const client of CLIENTS) {
        const options = { client, port: server.ready.port, count: CALLS };
        const tried = await startProcess('client.js', options, import.meta.url);
        measured[client].push(tried.ready);
        await tried.stop();
      }
    }
  } finally {
    await server.stop();
  }
  let passed = true;
  console.log(
    `     ${'row'.padEnd(18)}${'ours'.padStart(8)}${'engine sdk'.padStart(12)}${'SDK alone'.padStart(12)}   ratio`,
  );
  for (const [row, least] of Object.entries(LEAST)) {
    const [direct, sdk, plain] = CLIENTS.map((client) =>
      median(measured[client].map((rows) => rows[row])),
    );
    const ratio = plain / direct;
    const isAhead = ratio >= least;
    passed &&= isAhead;
    console.log(
      `${isAhead ? 'ok  ' : 'FAIL'} ${row.padEnd(18)}${direct.toFixed(0).padStart(8)}${sdk.toFixed(0).padStart(12)}${plain.toFixed(0).padStart(12)}   ${ratio.toFixed(1)} x`,
    );
  }
  return passed;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
