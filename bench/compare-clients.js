import { startProcess } from './processes.js';

/**
 * Prints what each row costs each client, and whether it is within what is allowed. Rounds are interleaved, so that what else the
 * machine does strikes all alike; each row of each client has a process of its own.
 *
 * @param clients ours first, `plain` among them: what is never to be faster
 * @param least by row: the least that `plain` must cost, as a multiple of ours
 * @returns whether all are
 */
export async function compareClients({ clients, least, rounds, options, base }) {
  const columns = ['row', ...clients, 'plain ÷ ours'];
  console.log(columns.map((name) => name.padStart(14)).join(''));
  let passed = true;
  for (const [row, bound] of Object.entries(least)) {
    const measured = Object.fromEntries(clients.map((client) => [client, []]));
    for (let round = 0; round < rounds; round++) {
      for (const client of clients) {
        const tried = await startProcess('client.js', { ...options, client, row }, base);
        measured[client].push(tried.ready);
        await tried.stop();
      }
    }
    const medians = clients.map((client) => median(measured[client]));
    const ratio = medians[clients.indexOf('plain')] / medians[0];
    passed &&= ratio >= bound;
    const cells = [row, ...medians.map((value) => value.toFixed(0)), ratio.toFixed(1)];
    const verdict = ratio >= bound ? '' : `   FAIL: less than ${bound}`;
    console.log(cells.map((cell) => cell.padStart(14)).join('') + verdict);
  }
  return passed;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
