// The limit: the least that a signed request costs through `node:http`. No check, no retry, no error that says anything.
import { createHash, createHmac } from 'node:crypto';
import { Agent, request } from 'node:http';
import { crc32 } from 'node:zlib';
import { chunks, SMALL } from '../bodies.js';
import { drained } from '../service-rows.js';

const PART_SIZE = 8 * 1024 ** 2;
const PARTS_AT_ONCE = 4;
const FILE =
  /<Key>([^<]*)<\/Key><LastModified>([^<]*)<\/LastModified><ETag>([^<]*)<\/ETag><Size>(\d+)</g;

export function signedByHand(port) {
  const agent = new Agent({ keepAlive: true });
  const host = `127.0.0.1:${port}`;
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
  const scope = `${day}/us-east-1/s3/aws4_request`;
  const key = scope.split('/').reduce((parent, name) => hmac(parent, name), 'AWS4bench');

  function send(method, path, query, body) {
    const headers = {
      host,
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-date': new Date().toISOString().replace(/[-:]|\.\d{3}/g, ''),
    };
    if (body) {
      const sum = Buffer.alloc(4);
      sum.writeUInt32BE(crc32(body));
      headers['content-length'] = body.length;
      headers['x-amz-checksum-crc32'] = sum.toString('base64');
    }
    const names = Object.keys(headers).toSorted();
    const lines = names.map((name) => `${name}:${headers[name]}\n`).join('');
    const canonical = `${method}\n${path}\n${query}\n${lines}\n${names.join(';')}\nUNSIGNED-PAYLOAD`;
    const digest = createHash('sha256').update(canonical).digest('hex');
    const text = `AWS4-HMAC-SHA256\n${headers['x-amz-date']}\n${scope}\n${digest}`;
    headers.authorization = `AWS4-HMAC-SHA256 Credential=bench/${scope}, SignedHeaders=${names.join(';')}, Signature=${hmac(key, text).toString('hex')}`;
    return new Promise((resolve, reject) => {
      const options = { method, host: '127.0.0.1', port, agent, headers };
      request({ ...options, path: query ? `${path}?${query}` : path }, resolve)
        .on('error', reject)
        .end(body);
    });
  }

  async function ask(...asked) {
    const answer = await send(...asked);
    return new Promise((resolve, reject) => {
      const parts = [];
      answer
        .on('data', (part) => parts.push(part))
        .on('end', () => resolve(Buffer.concat(parts)))
        .on('error', reject);
    });
  }

  return {
    put: (name) => ask('PUT', `/bench/${name}`, '', SMALL),
    get: (name) => ask('GET', `/bench/${name}`, ''),
    info: (name) => ask('HEAD', `/bench/${name}`, ''),
    async list() {
      let keys = 0;
      let token;
      do {
        const from = token ? `continuation-token=${token}&` : '';
        const xml = (await ask('GET', '/bench/', `${from}list-type=2`)).toString();
        for (const [, name, time, etag, size] of xml.matchAll(FILE)) {
          const file = { key: name, lastModified: new Date(time), etag, size: Number(size) };
          if (file.key) keys++;
        }
        token = /<NextContinuationToken>([^<]*)/.exec(xml)?.[1];
      } while (token);
      return keys;
    },
    async upload() {
      await ask('POST', '/bench/large', 'uploads=');
      const underWay = new Set();
      let part = [];
      let size = 0;
      let number = 1;
      const flush = async () => {
        if (underWay.size >= PARTS_AT_ONCE) await Promise.race(underWay);
        const sent = ask(
          'PUT',
          '/bench/large',
          `partNumber=${number++}&uploadId=bench`,
          Buffer.concat(part),
        ).finally(() => underWay.delete(sent));
        underWay.add(sent);
        part = [];
        size = 0;
      };
      for await (const chunk of chunks()) {
        part.push(chunk);
        size += chunk.length;
        if (size >= PART_SIZE) await flush();
      }
      await Promise.all(underWay);
      await ask('POST', '/bench/large', 'uploadId=bench', Buffer.from('<C/>'));
    },
    async download() {
      return drained(await send('GET', '/bench/large', ''));
    },
    close: () => agent.destroy(),
  };
}

function hmac(key, text) {
  return createHmac('sha256', key).update(text).digest();
}
