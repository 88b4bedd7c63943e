import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';

const CHUNK = 256 * 1024;
const BOUNDARY = 'bench-boundary-of-the-form';
const HEAD = Buffer.from(
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bench.bin"\r\n` +
    'Content-Type: application/octet-stream\r\n\r\n',
);
const TAIL = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);

/** Sends so many random bytes as the one file of a form, as fast as they are taken. */
export async function upload(url, size) {
  const sent = request(url, {
    method: 'POST',
    headers: {
      'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      'content-length': HEAD.length + size + TAIL.length,
    },
  });
  const answered = once(sent, 'response');
  const hash = createHash('sha256');
  sent.write(HEAD);
  for (const chunk of randomChunks(size)) {
    hash.update(chunk);
    if (!sent.write(chunk)) await once(sent, 'drain');
  }
  sent.end(TAIL);
  const [response] = await answered;
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  if (response.statusCode !== 201) throw new Error(`Upload: ${response.statusCode} ${text}`);
  return { key: JSON.parse(text).key, sha256: hash.digest('hex') };
}

/** Reads the file to its end. */
export async function download(url) {
  const [response] = await once(request(url).end(), 'response');
  if (response.statusCode !== 200) throw new Error(`Download: ${response.statusCode}`);
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of response) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, sha256: hash.digest('hex') };
}

/** Random bytes that cost next to nothing: a cipher over zeros. */
function* randomChunks(size) {
  const cipher = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16));
  const zeros = Buffer.alloc(CHUNK);
  for (let left = size; left > 0; left -= CHUNK) {
    yield cipher.update(left < CHUNK ? zeros.subarray(0, left) : zeros);
  }
}
