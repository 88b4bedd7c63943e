import { startProcess } from './processes.js';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const CALLS = 2000;

/**
 * Prints what each row costs each client of a service, and whether it is within what is allowed. Rounds are interleaved, so that
 * what else the machine does strikes all alike; each row of each client has a process of its own, and so has the server.
 *
 * @param clients ours first, `plain` among them: what is never to be faster
 * @param least by row: the least that `plain` must cost, as a multiple of ours
 * @param keys that the server lists
 * @param base URL of the module that calls; beside it are `client.js` and `sink-server.js`
 * @returns whether all are
 */
export async function compareClients({ name, clients, least, base, keys = 100_000 }) {
  console.log(
    `${name}: milliseconds of the processor, medians of ${ROUNDS} rounds; ${CALLS} calls of 4 KiB, 64 at once; ${keys} keys; 256 MiB; on Node ${process.version}`,
  );
  const columns = ['row', ...clients, 'plain ÷ ours'];
  console.log(columns.map((column) => column.padStart(14)).join(''));
  const server = await startProcess('sink-server.js', {}, base);
  let passed = true;
  try {
    for (const [row, bound] of Object.entries(least)) {
      const options = { ...server.ready, count: CALLS, row };
      const medians = await measureRow(clients, options, base);
      const ratio = medians[clients.indexOf('plain')] / medians[0];
      passed &&= ratio >= bound;
      const cells = [row, ...medians.map((value) => value.toFixed(0)), ratio.toFixed(1)];
      const verdict = ratio >= bound ? '' : `   FAIL: less than ${bound}`;
      console.log(cells.map((cell) => cell.padStart(14)).join('') + verdict);
    }
  } finally {
    await server.stop();
  }
  return passed;
}

async function measureRow(clients, options, base) {
  const measured = Object.fromEntries(clients.map((client) => [client, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const client of clients) {
      const tried = await startProcess('client.js', { ...options, client }, base);
      measured[client].push(tried.ready);
      await tried.stop();
    }
  }
  return clients.map((client) => median(measured[client]));
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
