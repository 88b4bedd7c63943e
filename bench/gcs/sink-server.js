// Answers what Google Cloud Storage answers, at once and whatever is asked: what is measured against it is the client alone.
import { createServer } from 'node:http';
import { CRC32C } from '@google-cloud/storage';
import { LARGE, MEBIBYTE, SMALL } from '../bodies.js';
import { reportConnections } from '../connections.js';
import { writeLarge } from '../write-large.js';

const PAGES = 100;
const KEYS_PER_PAGE = 1000;

// Clients compare what they sent, and what they receive.
const SMALL_SUM = checksum([SMALL]);
const LARGE_SUM = checksum(Array.from({ length: LARGE }, () => MEBIBYTE));

/** What the uploads that were begun are to become; each has its place here for its id. */
const sessions = [];

const server = createServer((request, response) => {
  const isPost = request.method === 'POST';
  const chunks = [];
  let length = 0;
  request.on('data', (chunk) => {
    length += chunk.length;
    if (isPost) chunks.push(chunk);
  });
  request.once('end', () => answer(request, response, { length, sent: Buffer.concat(chunks) }));
});

function answer({ method, url, headers }, response, { length, sent }) {
  const { pathname, searchParams: query } = new URL(url, 'http://sink');
  const name = decodeURIComponent(pathname.split('/o/')[1] ?? query.get('name') ?? 'large');
  if (method === 'POST' && query.get('uploadType') === 'resumable') {
    const id = sessions.push({ ...objectOf(name), ...metadataIn(sent) }) - 1;
    const location = `http://${headers.host}${pathname}?uploadType=resumable&upload_id=${id}`;
    response.writeHead(200, { location, 'content-length': 0 }).end();
  } else if (method === 'PUT') {
    takeChunk(headers['content-range'], length, sessions[query.get('upload_id')], response);
  } else if (method === 'POST' && query.get('uploadType') === 'multipart') {
    const object = metadataIn(sent);
    json(response, { ...objectOf(object.name ?? name), ...object });
  } else if (method === 'GET' && query.get('alt') === 'media') {
    sendMedia(name, response);
  } else if (method === 'GET' && /\/o\/?$/.test(pathname)) {
    list(Number(query.get('pageToken') ?? 0), response);
  } else {
    json(response, objectOf(name));
  }
}

/** The object as it is to be, which clients look for in the answer. */
function metadataIn(sent) {
  const text = sent.subarray(0, 64 * 1024).toString('latin1');
  const [, json = text] = /^--[^]*?\r\n\r\n({[^]*?)\r\n--/.exec(text) ?? [];
  return json === '' ? {} : JSON.parse(json);
}

/** @param range such as `bytes 0-524287/*`; absent where the whole body is one request */
function takeChunk(range, length, object, response) {
  const [, start, end, total] = /^bytes (\d+)-(\d+|\*)\/(\d+|\*)$/.exec(range ?? '') ?? [];
  // Some clients tell neither the end of an open body nor, at first, its size.
  const last = end === undefined || end === '*' ? Number(start ?? 0) + length - 1 : Number(end);
  if (range === undefined || end === '*' || Number(total) === last + 1) {
    json(response, object);
  } else {
    response.writeHead(308, { range: `bytes=0-${last}`, 'content-length': 0 }).end();
  }
}

function sendMedia(name, response) {
  const isLarge = name === 'large';
  const head = {
    'content-type': 'application/octet-stream',
    'content-length': isLarge ? LARGE * MEBIBYTE.length : SMALL.length,
    'x-goog-generation': '1',
    'x-goog-hash': `crc32c=${isLarge ? LARGE_SUM : SMALL_SUM}`,
    'x-goog-stored-content-encoding': 'identity',
  };
  response.writeHead(200, head);
  if (isLarge) writeLarge(response);
  else response.end(SMALL);
}

function list(page, response) {
  const items = Array.from({ length: KEYS_PER_PAGE }, (_, index) =>
    objectOf(`photos/2026/file-${page * KEYS_PER_PAGE + index}.jpg`),
  );
  const isLast = page === PAGES - 1;
  json(response, { items, ...(!isLast && { nextPageToken: String(page + 1) }) });
}

function objectOf(name) {
  const isLarge = name === 'large';
  return {
    name,
    size: String(isLarge ? LARGE * MEBIBYTE.length : SMALL.length),
    generation: '1',
    updated: '2026-11-01T00:00:00.000Z',
    crc32c: isLarge ? LARGE_SUM : SMALL_SUM,
    contentType: 'application/octet-stream',
  };
}

function json(response, value) {
  const body = Buffer.from(JSON.stringify(value));
  const head = { 'content-type': 'application/json; charset=UTF-8', 'content-length': body.length };
  response.writeHead(200, head).end(body);
}

function checksum(chunks) {
  const running = new CRC32C();
  for (const chunk of chunks) running.update(chunk);
  return running.toString();
}

reportConnections(server);
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.once('disconnect', () => {
  server.closeAllConnections();
  server.close();
});
