import { Readable } from 'node:stream';
import { StorageConnectionError, StorageError } from '../../../lib/core/errors.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import {
  listAll,
  type OpenAzure,
  putOptions,
  read,
  readKey,
  rejected,
  signal,
  useAzurite,
} from './open-azure.js';

const { open } = useAzurite();

/** Of the service itself, which answers something odd. */
const ID = { 'x-ms-request-id': 'id' };
const XML = { ...ID, 'content-type': 'application/xml' };
const ANSWERS = {
  'a page of a proxy': {
    status: 200,
    headers: { 'content-type': 'text/html' },
    body: '<html>Please log in</html>',
  },
  'a page that says that nothing is there': {
    status: 404,
    headers: { 'content-type': 'text/html' },
    body: '<html>404 Not Found</html>',
  },
  'a page of a proxy, accepted, with an etag': {
    status: 202,
    headers: { 'content-type': 'text/html', etag: '"page"' },
    body: '<html>Please log in</html>',
  },
  'a document of another kind': { status: 200, headers: XML, body: '<A><B>b</B></A>' },
  'a document that breaks off': { status: 200, headers: XML, body: '<?xml version="1.0"?><Enum' },
  'nothing, with status 204': { status: 204, headers: ID },
  'a range that is none': {
    status: 206,
    headers: { ...ID, 'content-range': 'bytes x-y/z' },
    body: 'ab',
  },
};

const CALLS: Readonly<Record<string, (driver: StorageDriver) => Promise<unknown>>> = {
  put: (driver) => driver.put('key', Buffer.from('a'), putOptions()),
  'conditional put': (driver) =>
    driver.put('key', Buffer.from('a'), putOptions({ ifNoneMatch: '*' })),
  'put in blocks': (driver) => driver.put('key', Buffer.alloc(20), putOptions({ partSize: 10 })),
  get: async (driver) => read(await driver.get('key', { signal })),
  'get of a range': async (driver) =>
    read(await driver.get('key', { signal, range: { start: 0, end: 1 } })),
  info: (driver) => driver.info('key', { signal }),
  list: (driver) => listAll(driver),
  'list by delimiter': (driver) => listAll(driver, { delimiter: '/' }),
  delete: (driver) => driver.deleteMany(['key'], { signal }),
  'delete of many': (driver) => driver.deleteMany(['key', 'other'], { signal }),
  copy: (driver) => driver.copy('key', 'to', { signal }),
  'start of an upload': (driver) => driver.startMultipartUpload('key', putOptions()),
};

async function listUploads(driver: StorageDriver): Promise<void> {
  for await (const _ of driver.listMultipartUploads({ prefix: '', signal }));
}

describe.each(Object.entries(ANSWERS))('%s, in place of the service', (_, answer) => {
  test.each(Object.entries(CALLS))(
    'is no success of a %s, and tried again',
    async (_call, call) => {
      await using azure = await open({ retry: { maxRetries: 1 } });
      azure.proxy.fail({ times: Infinity, with: answer });
      const error = await rejected(call(azure.driver));
      expect(error).toBeInstanceOf(StorageConnectionError);
      expect(error.message).toContain('no answer of Azure');
      expect(error.message).not.toContain('<');
      expect(azure.proxy.requests.length).toBeGreaterThan(1);
    },
  );
});

test.each([
  ['in one request', 10, /^[^?]*$/],
  ['in blocks', 100, /comp=blocklist/],
])('a write %s whose answer has no etag is looked up', async (_, size, url) => {
  await using azure = await open({ retry: { maxRetries: 0 } });
  const bytes = Buffer.alloc(size, 'a');
  const old = await azure.driver.put('key', Buffer.from('old'), putOptions());
  azure.proxy.fail({ method: 'PUT', url, with: { status: 201, headers: ID } });
  const put = azure.driver.put('key', bytes, putOptions({ partSize: 50, ifMatch: old.etag! }));
  // The service never got it.
  expect(await rejected(put)).toBeInstanceOf(StorageConnectionError);
  expect(String(await readKey(azure.driver, 'key'))).toBe('old');
});

test('a page that refuses is not repeated in the message', async () => {
  await using azure = await open({ retry: { maxRetries: 0 } });
  azure.proxy.fail({ with: { status: 418, body: '<html><h1>Go away</h1></html>' } });
  const download = azure.driver.get('key', { signal });
  const error = await rejected(download);
  expect(error).toBeInstanceOf(StorageError);
  expect(error.message).toBe('The service answered 418');
});

test('the properties of a file without an etag are those of none', async () => {
  await using azure = await open({ retry: { maxRetries: 0 } });
  azure.proxy.fail({ with: { status: 200, headers: { ...ID, 'content-length': '3' } } });
  const error = await rejected(azure.driver.info('key', { signal }));
  expect(error).toBeInstanceOf(StorageConnectionError);
  expect(String(error.cause)).toContain('The answer has no etag');
});

test('a download whose answer has no etag frees its connection', async () => {
  await using azure = await open({ retry: { maxRetries: 0 } });
  azure.proxy.fail({
    with: { status: 200, headers: { ...ID, 'content-length': '3' }, body: 'abc' },
  });
  const error = await rejected(azure.driver.get('key', { signal }));
  expect(error).toBeInstanceOf(StorageConnectionError);
  const { body } = await azure.driver
    .put('key', Buffer.from('abc'), putOptions())
    .then(() => azure.driver.get('key', { signal }));
  expect(body).toBeInstanceOf(Readable);
  (body as Readable).destroy();
});

describe.each(['direct', 'sdk'] as const)('a listing, to the engine "%s",', (engine) => {
  const listing = (content: string, marker = '<NextMarker />') => ({
    status: 200,
    headers: XML,
    body: `<?xml version="1.0"?><EnumerationResults><Blobs>${content}</Blobs>${marker}</EnumerationResults>`,
  });

  test('with a name that is not encoded as it says is refused', async () => {
    await using azure = await open({ engine, retry: { maxRetries: 0 } });
    const blob =
      '<Blob><Name Encoded="true">%E0%A4%A</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>';
    azure.proxy.fail({ with: listing(blob) });
    const error = await rejected(listAll(azure.driver));
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(error.message).toContain('no answer of Azure');
  });

  test('with a row that has no name says so', async () => {
    await using azure = await open({ engine: 'direct', retry: { maxRetries: 0 } });
    azure.proxy.fail({ with: listing('<Blob><Properties></Properties></Blob>') });
    const { cause } = await rejected(listAll(azure.driver));
    expect(cause).toMatchObject({ message: 'A row of the listing has no name' });
  });

  test('that leads back to the page where it is has an end', async () => {
    await using azure = await open({ engine });
    const page = listing('', '<NextMarker>same</NextMarker>');
    azure.proxy.fail({ times: Infinity, with: page });
    const error = await rejected(listAll(azure.driver));
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(error.message).toContain('repeats its cursor');
    expect(azure.proxy.requests).toHaveLength(2);
  });

  test.each([
    ['files', listAll],
    ['uploads', listUploads],
  ])('of %s that goes round in a circle has an end', async (_, list) => {
    await using azure = await open({ engine });
    for (const [marker, next] of ['xy', 'ya', 'ab', 'bc', 'ca']) {
      const page = listing('', `<NextMarker>${next}</NextMarker>`);
      azure.proxy.fail({ url: new RegExp(`marker=${marker}(&|$)`), times: 10, with: page });
    }
    azure.proxy.fail({ with: listing('', '<NextMarker>x</NextMarker>') });
    const error = await rejected(list(azure.driver));
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(error.message).toContain('repeats its cursor');
  });
});

describe.each(['direct', 'sdk'] as const)(
  'an answer without a length, to the engine "%s",',
  (engine) => {
    const headers = { ...ID, etag: '"0x1"', 'last-modified': new Date(0).toUTCString() };

    test('does not make an empty file of one that is not', async () => {
      await using azure = await open({ engine, retry: { maxRetries: 0 } });
      for (const key of ['from', 'to']) await azure.other.put(key, Buffer.from(key), putOptions());
      azure.proxy.fail({ method: 'HEAD', times: Infinity, with: { status: 200, headers } });
      for (const call of [
        () => azure.driver.info('from', { signal }),
        () => azure.driver.copy('from', 'to', { signal }),
        () => azure.driver.get('from', { signal, range: { suffix: 2 } }),
      ]) {
        const error = await rejected(call());
        expect(error).toBeInstanceOf(StorageConnectionError);
        expect(error.message).toContain('no answer of Azure');
      }
      expect(String(await readKey(azure.other, 'to'))).toBe('to');
    });

    test('does not leave a part out of the file that an upload becomes', async () => {
      await using azure = await open({ engine, retry: { maxRetries: 0 } });
      const uploadId = await azure.driver.startMultipartUpload('key', putOptions());
      const upload = { key: 'key', uploadId };
      const part = await azure.driver.uploadPart(upload, 1, Buffer.from('part'), { signal });
      const complete = () => azure.driver.completeMultipartUpload(upload, [part], { signal });
      const id = Buffer.from(part.etag.slice(1, -1)).toString('base64');
      const body = `<?xml version="1.0"?><BlockList><UncommittedBlocks><Block><Name>${id}</Name></Block></UncommittedBlocks></BlockList>`;
      azure.proxy.fail({
        method: 'GET',
        url: /comp=blocklist/,
        with: { status: 200, headers: XML, body },
      });
      expect(await rejected(complete())).toBeInstanceOf(StorageConnectionError);
      // After the parts were joined.
      azure.proxy.fail({
        method: 'HEAD',
        after: 1,
        with: { status: 200, headers },
      });
      expect(await rejected(complete())).toBeInstanceOf(StorageConnectionError);
      expect(await complete()).toMatchObject({ size: 4 });
      expect(String(await readKey(azure.other, 'key'))).toBe('part');
    });

    test('is refused as a row of a listing', async () => {
      await using azure = await open({ engine, retry: { maxRetries: 0 } });
      const body =
        '<?xml version="1.0"?><EnumerationResults><Blobs><Blob><Name>key</Name><Properties><Etag>0x1</Etag></Properties></Blob></Blobs><NextMarker /></EnumerationResults>';
      azure.proxy.fail({ with: { status: 200, headers: XML, body } });
      expect(await rejected(listAll(azure.driver))).toBeInstanceOf(StorageConnectionError);
    });
  },
);

describe.each(['direct', 'sdk'] as const)(
  'a HEAD that tells of no bytes, to the engine "%s",',
  (engine) => {
    /** By way of a proxy that answers so, without the MD5 of the file. */
    async function openWith(bytes: string) {
      const azure = await open({ engine, retry: { maxRetries: 0 } });
      const { other, proxy } = azure;
      // In blocks, which leave no MD5.
      const uploadId = await other.startMultipartUpload('from', putOptions());
      const upload = { key: 'from', uploadId };
      const part = await other.uploadPart(upload, 1, Buffer.from(bytes), { signal });
      const { etag } = await other.completeMultipartUpload(upload, [part], { signal });
      const lie = (headers: Record<string, string> = {}): void => {
        proxy.fail({
          method: 'HEAD',
          times: Infinity,
          with: {
            status: 200,
            headers: { ...ID, etag: etag!, 'content-length': '0', ...headers },
          },
        });
      };
      return { ...azure, lie };
    }

    test('makes no empty file of one that has some', async () => {
      await using azure = await openWith('hello');
      azure.lie();
      await azure.other.put('to', Buffer.from('old'), putOptions());
      for (const call of [
        () => azure.driver.info('from', { signal }),
        () => azure.driver.copy('from', 'to', { signal }),
      ]) {
        expect(await rejected(call())).toMatchObject({
          code: 'CONNECTION_FAILED',
          retryable: false,
          message:
            "The file has 5 bytes, but the answer to a HEAD request says 0: check the account's URL, and the proxies on the way",
        });
      }
      expect(String(await readKey(azure.other, 'to'))).toBe('old');
      // The connection of a download that nobody reads is free again.
      expect(String(await readKey(azure.driver, 'from'))).toBe('hello');
    });

    test('is believed without another look when the MD5 is that of none', async () => {
      await using azure = await openWith('hello');
      azure.lie({ 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' });
      expect((await azure.driver.info('from', { signal })).size).toBe(0);
      expect(azure.proxy.requests.map(({ method }) => method)).toEqual(['HEAD']);
    });

    test('is believed of a file without an MD5 that has none, and can be copied', async () => {
      await using azure = await openWith('');
      expect((await azure.driver.info('from', { signal })).size).toBe(0);
      expect(await azure.driver.copy('from', 'to', { signal })).toMatchObject({ size: 0 });
    });

    const refuse = ({ proxy }: OpenAzure, status: number, name: string): void =>
      void proxy.fail({
        method: 'GET',
        with: { status, headers: { ...ID, 'x-ms-error-code': name } },
      });

    test('is believed when a look at the file is refused for good', async () => {
      await using azure = await openWith('hello');
      azure.lie();
      refuse(azure, 409, 'BlobArchived');
      expect((await azure.driver.info('from', { signal })).size).toBe(0);
    });

    test('is not believed when a look at the file is refused in passing', async () => {
      await using azure = await openWith('hello');
      azure.lie();
      refuse(azure, 503, 'ServerBusy');
      const error = await rejected(azure.driver.info('from', { signal }));
      expect(error).toMatchObject({ code: 'RATE_LIMITED' });
    });

    test('is asked for again when the file was replaced meanwhile', async () => {
      await using azure = await openWith('hello');
      azure.proxy.fail({
        method: 'HEAD',
        with: { status: 200, headers: { ...ID, etag: '"0x1"', 'content-length': '0' } },
      });
      expect((await azure.driver.info('from', { signal })).size).toBe(5);
    });

    test('is no reason to ask for ever when something gives each answer another etag', async () => {
      await using azure = await openWith('hello');
      azure.lie({ etag: '"0x1"' });
      expect(await rejected(azure.driver.info('from', { signal }))).toMatchObject({
        code: 'CONNECTION_FAILED',
        message: expect.stringContaining('replaced') as unknown,
      });
      expect(azure.proxy.requests.map(({ method }) => method)).toEqual([
        'HEAD',
        'GET',
        'HEAD',
        'GET',
        'HEAD',
        'GET',
      ]);
    });
  },
);
