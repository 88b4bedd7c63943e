// Answers what S3 answers, at once and whatever is asked: what is measured against it is the client alone.
import { createServer } from 'node:http';
import { LARGE, MEBIBYTE, SMALL } from '../bodies.js';
import { writeLarge } from '../write-large.js';

const PAGES = 100;
const KEYS_PER_PAGE = 1000;

const server = createServer((request, response) => {
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
  if (method === 'GET' && /\/large(\?|$)/.test(url)) {
    response.writeHead(200, { ...headers, 'content-length': LARGE * MEBIBYTE.length });
    return writeLarge(response);
  }
  if (method === 'GET') {
    response.writeHead(200, { ...headers, 'content-length': SMALL.length }).end(SMALL);
  } else if (method === 'HEAD') {
    response.writeHead(200, { ...headers, 'content-length': SMALL.length }).end();
  } else if (method === 'POST') {
    const body = query.startsWith('uploads')
      ? '<InitiateMultipartUploadResult><UploadId>bench</UploadId></InitiateMultipartUploadResult>'
      : '<CompleteMultipartUploadResult><Key>large</Key><ETag>"bench-1"</ETag></CompleteMultipartUploadResult>';
    response.writeHead(200, { ...headers, 'content-type': 'application/xml' }).end(body);
  } else {
    response.writeHead(200, { ...headers, 'content-length': 0 }).end();
  }
}

function list(query, response, headers) {
  const page = Number(/continuation-token=(\d+)/.exec(query)?.[1] ?? 0);
  const isLast = page === PAGES - 1;
  const rows = Array.from(
    { length: KEYS_PER_PAGE },
    (_, index) =>
      `<Contents><Key>photos/2026/file-${page * KEYS_PER_PAGE + index}.jpg</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified><ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><Size>4096</Size><StorageClass>STANDARD</StorageClass></Contents>`,
  );
  const next = isLast ? '' : `<NextContinuationToken>${page + 1}</NextContinuationToken>`;
  response
    .writeHead(200, { ...headers, 'content-type': 'application/xml' })
    .end(
      `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bench</Name><IsTruncated>${!isLast}</IsTruncated>${next}${rows.join('')}</ListBucketResult>`,
    );
}

server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.once('disconnect', () => {
  server.closeAllConnections();
  server.close();
});
