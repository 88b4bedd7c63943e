import { once } from 'node:events';
import { Agent, request } from 'node:http';

const BOUNDARY = 'bench-boundary-of-the-form';
const HEAD = Buffer.from(
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bench.bin"\r\n` +
    'Content-Type: application/octet-stream\r\n\r\n',
);
const TAIL = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
const CHUNK = Buffer.alloc(64 * 1024, 3);

/** Makes so many calls, so many of them at once. */
export async function each(calls, atOnce, call) {
  let next = 0;
  const work = async () => {
    while (next < calls) await call(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

export function keptConnections(count) {
  return new Agent({ keepAlive: true, maxSockets: count });
}

/** Reads the answer to its end. @returns its status and the bytes of its body */
export async function read(url, { agent, range } = {}) {
  const headers = range ? { range } : {};
  const [response] = await once(request(url, { agent, headers }).end(), 'response');
  let size = 0;
  response.on('data', (chunk) => (size += chunk.length));
  await once(response, 'end');
  return { status: response.statusCode, size };
}

/** Sends so many bytes as the one file of a form. */
export async function upload(url, size, agent) {
  const sent = request(url, {
    agent,
    method: 'POST',
    headers: {
      'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      'content-length': HEAD.length + size + TAIL.length,
    },
  });
  const answered = once(sent, 'response');
  sent.write(HEAD);
  for (let left = size; left > 0; left -= CHUNK.length) {
    if (!sent.write(left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK))
      await once(sent, 'drain');
  }
  sent.end(TAIL);
  const [response] = await answered;
  response.resume();
  await once(response, 'end');
  if (response.statusCode !== 201) throw new Error(`Upload: ${response.statusCode}`);
}
