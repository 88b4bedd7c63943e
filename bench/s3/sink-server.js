// Answers what S3 answers, at once and whatever is asked: what is measured against it is the client alone.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { LARGE, MEBIBYTE, SMALL } from '../bodies.js';
import { reportConnections } from '../connections.js';
import { writeLarge } from '../write-large.js';

const KEYS_PER_PAGE = 1000;

const { keys = 100_000, mebibytes = LARGE } = JSON.parse(process.argv[2]);

const server = createServer(async (request, response) => {
  if (request.method === 'POST' && request.url.includes('?delete')) {
    return remove(await text(request), response);
  }
  request.resume();
  request.once('end', () => answer(request, response));
});

function answer({ method, url }, response) {
  const headers = {
    etag: '"5d41402abc4b2a76b9719d911017c592"',
    'x-amz-request-id': 'bench',
    'last-modified': 'Sun, 01 Nov 2026 00:00:00 GMT',
  };
  const query = url.slice(url.indexOf('?') + 1);
  if (method === 'GET' && query.includes('list-type=2')) return list(query, response, headers);
  if (method === 'GET' || method === 'HEAD') {
    const isLarge = /\/large(\?|$)/.test(url);
    const length = isLarge ? mebibytes * MEBIBYTE.length : SMALL.length;
    response.writeHead(200, { ...headers, 'content-length': length });
    if (method === 'GET' && isLarge) return writeLarge(response, mebibytes);
    response.end(method === 'GET' ? SMALL : undefined);
  } else if (method === 'POST') {
    const body = query.startsWith('uploads')
      ? '<InitiateMultipartUploadResult><UploadId>bench</UploadId></InitiateMultipartUploadResult>'
      : '<CompleteMultipartUploadResult><Key>large</Key><ETag>"bench-1"</ETag></CompleteMultipartUploadResult>';
    response.writeHead(200, { ...headers, 'content-type': 'application/xml' }).end(body);
  } else {
    response.writeHead(200, { ...headers, 'content-length': 0 }).end();
  }
}

/** All of them are below whatever prefix; below `none/` there are none, and those below `later/` are a day younger. */
function list(query, response, headers) {
  const asked = new URLSearchParams(query);
  const prefix = asked.get('prefix') ?? '';
  const first = Number(asked.get('continuation-token') ?? 0);
  const next = prefix.startsWith('none/') ? first : Math.min(keys, first + KEYS_PER_PAGE);
  const day = prefix.startsWith('later/') ? '02' : '01';
  const rows = Array.from(
    { length: next - first },
    (_, index) =>
      `<Contents><Key>${prefix}photos/2026/file-${String(first + index).padStart(7, '0')}.jpg</Key><LastModified>2026-11-${day}T00:00:00.000Z</LastModified><ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><Size>4096</Size><StorageClass>STANDARD</StorageClass></Contents>`,
  );
  const isLast = rows.length === 0 || next === keys;
  const token = isLast ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`;
  response
    .writeHead(200, { ...headers, 'content-type': 'application/xml' })
    .end(
      `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bench</Name><IsTruncated>${!isLast}</IsTruncated>${token}${rows.join('')}</ListBucketResult>`,
    );
}

function remove(body, response) {
  const deleted = body.match(/<Key>[^<]*<\/Key>/g).map((key) => `<Deleted>${key}</Deleted>`);
  response
    .writeHead(200, { 'content-type': 'application/xml' })
    .end(
      `<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${deleted.join('')}</DeleteResult>`,
    );
}

reportConnections(server);
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.once('disconnect', () => {
  server.closeAllConnections();
  server.close();
});
