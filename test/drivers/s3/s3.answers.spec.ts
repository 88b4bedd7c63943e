import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { S3Client } from '@aws-sdk/client-s3';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { createS3Driver } from '../../../lib/drivers/s3/s3.driver.js';
import type { S3StorageOptions } from '../../../lib/drivers/s3/s3.options.js';
import { chunks, listAll, PART, putOptions, randomBytes, read, signal } from './open-s3.js';

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string;
}

interface OpenAnswers extends AsyncDisposable {
  readonly driver: StorageDriver<S3Client>;
}

/** A driver to whose requests something answers that need not be S3. */
async function openAnswers(
  answer: (request: IncomingMessage) => Answer,
  options: Pick<S3StorageOptions, 'engine'> = {},
): Promise<OpenAnswers> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    request.resume().once('end', () => {
      const { status = 200, headers = {}, body = '' } = answer(request);
      response.writeHead(status, headers);
      response.end(request.method === 'HEAD' ? undefined : body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const driver = await createS3Driver(
    {
      bucket: 'bucket',
      provider: 'aws',
      endpoint: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      accessKeyId: 'key',
      secretAccessKey: 'secret',
      forcePathStyle: true,
      ...options,
    },
    { storage: 'files', retry: parseRetryOptions({ maxRetries: 0 }), concurrency: 2 },
  );
  return {
    driver,
    async [Symbol.asyncDispose]() {
      await driver.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function listUploads(driver: StorageDriver): Promise<void> {
  for await (const _ of driver.listMultipartUploads({ prefix: '', signal }));
}

/** The first ones once, and the last three of them again and again. */
function circle(places: string): () => string {
  let step = 0;
  return () => {
    const place = places.at(step++) ?? places.at(-3 + ((step - places.length - 1) % 3))!;
    if (step > 200) throw new Error('Nobody has noticed');
    return place;
  };
}

const UPLOAD = { key: 'key', uploadId: 'id' };
const XML = { 'content-type': 'application/xml' };
const CALLS: Readonly<Record<string, (driver: StorageDriver) => Promise<unknown>>> = {
  put: (driver) => driver.put('key', Buffer.from('x'), putOptions()),
  'put in parts': (driver) => driver.put('key', chunks(randomBytes(PART + 1)), putOptions()),
  get: (driver) => driver.get('key', { signal }),
  info: (driver) => driver.info('key', { signal }),
  list: (driver) => listAll(driver),
  'deleteMany of one': (driver) => driver.deleteMany(['a'], { signal }),
  deleteMany: (driver) => driver.deleteMany(['a', 'b'], { signal }),
  copy: (driver) => driver.copy('from', 'to', { signal }),
  startMultipartUpload: (driver) => driver.startMultipartUpload('key', putOptions()),
  uploadPart: (driver) => driver.uploadPart(UPLOAD, 1, Buffer.from('x'), { signal }),
  listParts: (driver) => driver.listParts(UPLOAD, { signal }),
  listMultipartUploads: (driver) => listUploads(driver),
  completeMultipartUpload: (driver) =>
    driver.completeMultipartUpload(UPLOAD, [{ partNumber: 1, etag: '"a"' }], { signal }),
};

describe('a page of HTML with status 200', () => {
  const body = '<html><head><title>Login</title></head><body>Please log in</body></html>';
  const page = { headers: { 'content-type': 'text/html', 'content-length': body.length }, body };

  const calls = Object.entries(CALLS).flatMap(([name, call]) =>
    (['direct', 'sdk'] as const).map((engine) => ({ name, call, engine })),
  );

  test.each(calls)('is no success of $name, by the engine "$engine"', async ({ call, engine }) => {
    await using s3 = await openAnswers(() => page, { engine });
    await expect(call(s3.driver)).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      retryable: false,
      message: expect.stringMatching(/did not confirm .*endpoint/) as unknown,
    });
  });
});

test.each(['{"ok":true}', '<ListBucketResult><Name>bucket</Name><Cont'])(
  'an answer that is not XML is told in plain words (%s)',
  async (body) => {
    await using s3 = await openAnswers(() => ({ headers: XML, body }));
    await expect(listAll(s3.driver)).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'The service answered 200 and something that is not the XML of S3: check endpoint',
    });
  },
);

test.each([302, 303, 308])(
  'a redirect, which S3 does not use, is told as one (%d)',
  async (status) => {
    const headers = { location: 'https://login.example.com/' };
    await using s3 = await openAnswers(() => ({ status, headers }));
    for (const name of ['get', 'put', 'list', 'info']) {
      await expect(CALLS[name]!(s3.driver)).rejects.toMatchObject({
        code: 'CONFIGURATION',
        message: `The service answered with a redirect (${status}), as S3 does not: check endpoint`,
      });
    }
  },
);

describe('a page of HTML with status 404', () => {
  const page = (body: string): Answer => ({
    status: 404,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body,
  });

  test.each(['<html><body>Not found</body></html>', '<!DOCTYPE html><html><br>not closed'])(
    'does not say that there is no file (%s)',
    async (body) => {
      await using s3 = await openAnswers(() => page(body));
      for (const name of ['get', 'put', 'list', 'deleteMany of one', 'info']) {
        const calling = CALLS[name]!(s3.driver);
        await expect(calling).rejects.toMatchObject({ code: 'CONFIGURATION' });
      }
    },
  );

  test.each([
    ['says so', 'with the id of a request', { 'x-amz-request-id': 'id' }, 'FILE_NOT_FOUND'],
    ['says nothing', 'without', {}, 'CONFIGURATION'],
  ])('%s in a request that has no other answer, %s', async (_, _id, id, code) => {
    const missing = { ...page(''), headers: { ...page('').headers, ...id } };
    await using s3 = await openAnswers(({ url }) => (url === '/bucket/key' ? missing : {}));
    await expect(s3.driver.info('key', { signal })).rejects.toMatchObject({ code });
  });

  test('is no verdict on a condition', async () => {
    await using s3 = await openAnswers(() => page('<html>nope</html>'));
    const put = s3.driver.put('key', Buffer.from('x'), putOptions({ ifMatch: '"e"' }));
    await expect(put).rejects.toMatchObject({ code: 'CONFIGURATION' });
  });
});

describe('an answer without Content-Length', () => {
  test('is of no known size, which is not 0', async () => {
    await using s3 = await openAnswers(() => ({ headers: { etag: '"x"' }, body: 'hello' }));
    for (const name of ['get', 'info', 'copy']) {
      await expect(CALLS[name]!(s3.driver)).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    }
  });

  test('tells the size in its Content-Range', async () => {
    await using s3 = await openAnswers(() => ({
      status: 206,
      headers: { etag: '"x"', 'content-range': 'bytes 1-3/5' },
      body: 'ell',
    }));
    const download = await s3.driver.get('key', { signal, range: { start: 1, end: 3 } });
    expect(download.file.size).toBe(5);
    expect(String(await read(download))).toBe('ell');
  });
});

test.each(['bytes 0-9/100', 'bytes 50-58/100', 'bytes 50-59/*'])(
  'a range that was not asked for is refused (%s)',
  async (contentRange) => {
    await using s3 = await openAnswers(() => ({
      status: 206,
      headers: { etag: '"x"', 'content-range': contentRange, 'content-length': 10 },
      body: '0123456789',
    }));
    const getting = s3.driver.get('key', { signal, range: { start: 50, end: 59 } });
    await expect(getting).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  },
);

test('another version than ifMatch names is refused where the service ignores the condition', async () => {
  await using s3 = await openAnswers(() => ({
    headers: { etag: '"other"', 'content-length': 5 },
    body: 'hello',
  }));
  const getting = s3.driver.get('key', { signal, ifMatch: '"mine"' });
  await expect(getting).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  expect((await s3.driver.get('key', { signal, ifMatch: '"other"' })).file.size).toBe(5);
});

describe('a listing', () => {
  const truncated = (token: string) =>
    `<ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated>${token}</ListBucketResult>`;

  test.each([
    ['goes on without saying where', ''],
    ['goes on where it began', '<NextContinuationToken>same</NextContinuationToken>'],
  ])('that %s is not whole', async (_, token) => {
    await using s3 = await openAnswers(() => ({ headers: XML, body: truncated(token) }));
    await expect(listAll(s3.driver)).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      retryable: false,
    });
  });

  test.each(['', 'zz'])('that goes round in a circle, after %j, has an end', async (before) => {
    const next = circle(`x${before}abc`);
    let pages = 0;
    await using s3 = await openAnswers(() => {
      pages++;
      return {
        headers: XML,
        body: truncated(`<NextContinuationToken>${next()}</NextContinuationToken>`),
      };
    });
    await expect(listAll(s3.driver)).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      retryable: false,
      message: expect.stringContaining('repeats its cursor') as unknown,
    });
    expect(pages).toBeLessThan(20);
  });

  test.each([
    ['parts', (driver: StorageDriver) => driver.listParts(UPLOAD, { signal })],
    ['uploads', listUploads],
  ])('of %s that goes round in a circle has an end', async (_, call) => {
    const next = circle('123');
    let pages = 0;
    await using s3 = await openAnswers(({ url }) => {
      pages++;
      const at = next();
      return {
        headers: XML,
        body: url!.includes('uploadId')
          ? `<ListPartsResult><UploadId>id</UploadId><IsTruncated>true</IsTruncated><NextPartNumberMarker>${at}</NextPartNumberMarker></ListPartsResult>`
          : `<ListMultipartUploadsResult><Bucket>bucket</Bucket><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>${at}</NextUploadIdMarker></ListMultipartUploadsResult>`,
      };
    });
    await expect(call(s3.driver)).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(pages).toBeLessThan(20);
  });

  const answered = async (body: string, engine: 'direct' | 'sdk' = 'direct') => {
    await using s3 = await openAnswers(() => ({ headers: XML, body }), { engine });
    return await listAll(s3.driver);
  };
  const page = (rows: string, truncated = 'false', root = 'ListBucketResult') =>
    `<${root}><Name>bucket</Name><IsTruncated>${truncated}</IsTruncated>${rows}</${root}>`;
  const row = (key: string, size = '<Size>1</Size>') => `<Contents>${key}${size}</Contents>`;
  const KEY = '<Key>a</Key>';
  const otherwise = { code: 'CONNECTION_FAILED', retryable: false };

  test.each([
    ['that says with a capital that there is more', page(row(KEY), 'True')],
    ['that says with a number that there is more', page(row(KEY), '1')],
    [
      'that does not say whether there is more',
      '<ListBucketResult><Name>b</Name></ListBucketResult>',
    ],
    ['with a size in words', page(row(KEY, '<Size>many</Size>'))],
    ['with a negative size', page(row(KEY, '<Size>-1</Size>'))],
    ['with a size of another notation', page(row(KEY, '<Size>1e3</Size>'))],
    ['with a size that no number holds', page(row(KEY, '<Size>9007199254740993</Size>'))],
    ['with a size that is empty', page(row(KEY, '<Size/>'))],
    ['with no size', page(row(KEY, ''))],
    ['with a file without key', page(row(''))],
    ['with a prefix that is none', page('<CommonPrefixes><x/></CommonPrefixes>')],
    ['with a bad escape', page(`<EncodingType>url</EncodingType>${row('<Key>100%</Key>')}`)],
    [
      'with escapes that are not UTF-8',
      page(`<EncodingType>url</EncodingType>${row('<Key>%ff</Key>')}`),
    ],
    ['of another kind', page(row(KEY), 'false', 'ListAllMyBucketsResult')],
  ])('%s is refused', async (_, body) => {
    await expect(answered(body)).rejects.toMatchObject(otherwise);
  });

  test('through the SDK is held to the same keys and sizes', async () => {
    for (const rows of [row(''), row(KEY, ''), row(KEY, '<Size>many</Size>')]) {
      await expect(answered(page(rows), 'sdk')).rejects.toMatchObject(otherwise);
    }
  });

  test('is read with any prefix of its namespace', async () => {
    const body = page(row(KEY)).replaceAll(/<(\/?)/g, '<$1s3:');
    expect((await answered(body.replace('>', ' xmlns:s3="urn:x">'))).keys).toEqual(['a']);
  });

  test('of parts that goes on without saying where is not whole', async () => {
    const body =
      '<ListPartsResult><UploadId>id</UploadId><IsTruncated>true</IsTruncated></ListPartsResult>';
    await using s3 = await openAnswers(() => ({ headers: XML, body }));
    const listing = s3.driver.listParts(UPLOAD, { signal });
    await expect(listing).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  });

  test.each([
    ['its number', '<Size>5</Size>'],
    ['its size', '<PartNumber>1</PartNumber>'],
  ])('of parts that tells one without %s is refused', async (_, told) => {
    const part = `<Part><ETag>"1"</ETag>${told}</Part>`;
    const body = `<ListPartsResult><UploadId>id</UploadId>${part}<IsTruncated>false</IsTruncated></ListPartsResult>`;
    await using s3 = await openAnswers(() => ({ headers: XML, body }));
    const listing = s3.driver.listParts(UPLOAD, { signal });
    await expect(listing).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  });

  test.each([
    ['goes on without saying where', '<IsTruncated>true</IsTruncated>'],
    [
      'goes on where it began',
      '<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>',
    ],
    ['tells no time', '<Upload><Key>a</Key><UploadId>1</UploadId></Upload>'],
  ])('of uploads that %s is refused', async (_, listed) => {
    const body = `<ListMultipartUploadsResult><Bucket>bucket</Bucket>${listed}</ListMultipartUploadsResult>`;
    await using s3 = await openAnswers(() => ({ headers: XML, body }));
    await expect(listUploads(s3.driver)).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  });
});

describe.each(['direct', 'sdk'] as const)('a listing, by the engine "%s",', (engine) => {
  const lists = [listAll, listUploads];

  test.each([
    ['in plain text', 'text/plain', 'default backend - 404'],
    ['in JSON', 'application/json', '{"message":"no Route matched"}'],
    ['without a word', 'text/plain', ''],
  ])(
    'of which a 404 comes that is not of S3, %s, is neither empty nor of a missing bucket',
    async (_, type, body) => {
      const answer = { status: 404, headers: { 'content-type': type }, body };
      await using s3 = await openAnswers(() => answer, { engine });
      for (const list of lists) {
        await expect(list(s3.driver)).rejects.toMatchObject({
          code: 'CONFIGURATION',
          message:
            'The service answered 404 and something that is not the XML of S3: check endpoint',
        });
      }
    },
  );

  test.each(['NoSuchBucket', 'NoSuchKey'])(
    'of which S3 says that nothing is there (%s) is one of a bucket that is not there',
    async (code) => {
      const body = `<Error><Code>${code}</Code></Error>`;
      await using s3 = await openAnswers(() => ({ status: 404, headers: XML, body }), { engine });
      for (const list of lists) {
        await expect(list(s3.driver)).rejects.toMatchObject({
          code: 'CONFIGURATION',
          message: expect.stringContaining('bucket "bucket" does not exist') as unknown,
        });
      }
    },
  );
});

test('a bucket that is not there is told, also when the answer does not name it', async () => {
  const body = '<Error><Code>NoSuchBucket</Code></Error>';
  await using s3 = await openAnswers(() => ({ status: 404, headers: XML, body }));
  await expect(s3.driver.get('key', { signal })).rejects.toMatchObject({
    code: 'CONFIGURATION',
    message: 'The bucket does not exist: create it, or check bucket, region and endpoint',
  });
});

describe('a deletion of several keys', () => {
  const failures = async (results: string): Promise<Record<string, string>> => {
    const body = `<DeleteResult>${results}</DeleteResult>`;
    await using s3 = await openAnswers(() => ({ headers: XML, body }));
    const { failed } = await s3.driver.deleteMany(['a', 'b', 'c'], { signal });
    return Object.fromEntries(failed.map(({ key, error }) => [key, error.code]));
  };
  const deleted = (key: string) => `<Deleted><Key>${key}</Key></Deleted>`;

  test('counts a key as failed that is told as deleted and as failed', async () => {
    const error = '<Error><Key>a</Key><Code>AccessDenied</Code></Error>';
    const all = deleted('a') + deleted('b') + deleted('c');
    expect(await failures(all + error)).toEqual({ a: 'PERMISSION_DENIED' });
  });

  test('is not confirmed by a document of another kind', async () => {
    const body = `<Foo>${deleted('a')}${deleted('b')}</Foo>`;
    await using s3 = await openAnswers(() => ({ headers: XML, body }));
    await expect(s3.driver.deleteMany(['a', 'b'], { signal })).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      retryable: false,
    });
  });

  test('counts those as failed that the answer leaves out', async () => {
    expect(await failures(deleted('a') + deleted('c'))).toEqual({ b: 'CONNECTION_FAILED' });
  });

  test.each(['', '<Key>foreign</Key>'])(
    'gives them the error that is of none of the keys (%s)',
    async (key) => {
      const error = `<Error>${key}<Code>AccessDenied</Code></Error>`;
      expect(await failures(deleted('a') + error)).toEqual({
        b: 'PERMISSION_DENIED',
        c: 'PERMISSION_DENIED',
      });
    },
  );
});

test.each([
  'GET /?X-Amz-Signature=SECRET&X-Amz-Credential=SECRET&X-Amz-Security-Token=SECRET',
  'authorization: AWS4-HMAC-SHA256 Credential=SECRET/20260101/r/s3/aws4_request, Signature=SECRET',
  '{"authorization":"AWS4-HMAC-SHA256 Credential=SECRET, Signature=SECRET"}',
  '{"x-amz-security-token":"SECRET"}',
  'x-amz-security-token: SECRET',
])('what a service echoes of the request is not shown (%s)', async (echo) => {
  const text = echo.replaceAll('&', '&amp;');
  const body = `<Error><Code>InvalidRequest</Code><Message>${text}</Message></Error>`;
  await using s3 = await openAnswers(() => ({ status: 400, headers: XML, body }));
  const error = await s3.driver.get('key', { signal }).catch((thrown: unknown) => thrown as Error);
  const { message, cause } = error as Error;
  expect(message).toContain('…');
  expect(message + String(cause)).not.toContain('SECRET');
});

describe.each(['direct', 'sdk'] as const)(
  'a HEAD that tells of no bytes, by the engine "%s",',
  (engine) => {
    const ETAG = '"5d41402abc4b2a76b9719d911017c592"';
    const empty = { 'content-length': 0, etag: ETAG };
    const file = (etag = ETAG, body = 'hello'): Answer => ({
      headers: { 'content-length': body.length, etag },
      body,
    });
    const asked: string[] = [];
    beforeEach(() => void asked.splice(0));
    const open = (heads: readonly Answer[], got: Answer): Promise<OpenAnswers> => {
      const answers = [...heads];
      const answer = ({ method }: IncomingMessage): Answer => {
        asked.push(method!);
        return method === 'HEAD' ? (answers.length > 1 ? answers.shift()! : answers[0]!) : got;
      };
      return openAnswers(answer, { engine });
    };

    test.each([
      ['info', (driver: StorageDriver) => driver.info('key', { signal })],
      ['copy', (driver: StorageDriver) => driver.copy('key', 'to', { signal })],
    ])('is no success of %s when the file has some', async (_, call) => {
      await using s3 = await open([{ headers: empty }], file());
      await expect(call(s3.driver)).rejects.toMatchObject({
        code: 'CONNECTION_FAILED',
        retryable: false,
        message:
          'The file has 5 bytes, but the answer to a HEAD request says 0: check endpoint, and the proxies on the way',
      });
      expect(asked).toEqual(['HEAD', 'GET']);
    });

    test.each([
      ['by the etag', { etag: '"d41d8cd98f00b204e9800998ecf8427e"' }],
      ['by a checksum', { 'x-amz-checksum-crc32': 'AAAAAA==' }],
    ])('is believed when they are none %s', async (_, header) => {
      await using s3 = await open([{ headers: { ...empty, ...header } }], file());
      expect((await s3.driver.info('key', { signal })).size).toBe(0);
      expect(asked).toEqual(['HEAD']);
    });

    test.each([
      ['has none', file(ETAG, '')],
      [
        'cannot be read',
        { status: 403, headers: XML, body: '<Error><Code>InvalidObjectState</Code></Error>' },
      ],
    ])('is believed of a file with another etag that %s', async (_, got) => {
      await using s3 = await open([{ headers: empty }], got);
      expect((await s3.driver.info('key', { signal })).size).toBe(0);
      expect(asked).toEqual(['HEAD', 'GET']);
    });

    test('is not believed when the service fails to show the file', async () => {
      await using s3 = await open([{ headers: empty }], { status: 500 });
      await expect(s3.driver.info('key', { signal })).rejects.toMatchObject({ retryable: true });
    });

    test('is asked for again when the file was replaced meanwhile', async () => {
      const newer = file('"newer"');
      await using s3 = await open([{ headers: empty }, newer], newer);
      expect((await s3.driver.info('key', { signal })).size).toBe(5);
      expect(asked).toEqual(['HEAD', 'GET', 'HEAD']);
    });

    test.each([
      ['hello', 'The file has 5 bytes, but the answer to a HEAD request says 0'],
      ['', '0 bytes'],
    ])(
      'is no reason to ask for ever when something gives each answer another etag: "%s"',
      async (body, told) => {
        await using s3 = await open([{ headers: empty }], file('"other"', body));
        const outcome = await s3.driver.info('key', { signal }).then(
          ({ size }) => `${size} bytes`,
          (error: Error) => error.message,
        );
        expect(outcome).toContain(told);
        expect(asked).toEqual(['HEAD', 'GET', 'HEAD', 'GET', 'HEAD', 'GET']);
      },
    );
  },
);
