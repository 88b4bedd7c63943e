// Answers what Azure Blob Storage answers, at once and whatever is asked: what is measured against it is the client alone.
import { createServer } from 'node:http';
import { LARGE, MEBIBYTE, SMALL } from '../bodies.js';
import { reportConnections } from '../connections.js';
import { writeLarge } from '../write-large.js';

const PAGES = 4;
const KEYS_PER_PAGE = 5000;
const HEAD = {
  etag: '"0x8DCFA0000000000"',
  'last-modified': 'Sun, 01 Nov 2026 00:00:00 GMT',
  'x-ms-request-id': 'bench',
  'x-ms-version': '2026-02-06',
};

const server = createServer((request, response) => {
  request.resume();
  request.once('end', () => answer(request, response));
});

function answer({ method, url }, response) {
  const { pathname, searchParams: query } = new URL(url, 'http://sink');
  const isLarge = pathname.endsWith('/large');
  const blob = {
    ...HEAD,
    'content-type': 'application/octet-stream',
    'content-length': isLarge ? LARGE * MEBIBYTE.length : SMALL.length,
    'x-ms-blob-type': 'BlockBlob',
  };
  if (query.get('comp') === 'list') list(Number(query.get('marker') ?? 0), response);
  else if (method === 'PUT') response.writeHead(201, { ...HEAD, 'content-length': 0 }).end();
  else if (method === 'HEAD') response.writeHead(200, blob).end();
  else if (isLarge) writeLarge(response.writeHead(200, blob));
  else response.writeHead(200, blob).end(SMALL);
}

function list(page, response) {
  const isLast = page === PAGES - 1;
  const rows = Array.from(
    { length: KEYS_PER_PAGE },
    (_, index) =>
      `<Blob><Name>photos/2026/file-${String(page * KEYS_PER_PAGE + index).padStart(6, '0')}.jpg</Name><Properties><Last-Modified>Sun, 01 Nov 2026 00:00:00 GMT</Last-Modified><Etag>0x8DCFA0000000000</Etag><Content-Length>4096</Content-Length><Content-Type>image/jpeg</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob>`,
  );
  response
    .writeHead(200, { ...HEAD, 'content-type': 'application/xml' })
    .end(
      `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://sink/bench" ContainerName="bench"><Blobs>${rows.join('')}</Blobs><NextMarker>${isLast ? '' : page + 1}</NextMarker></EnumerationResults>`,
    );
}

reportConnections(server);
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.once('disconnect', () => {
  server.closeAllConnections();
  server.close();
});
