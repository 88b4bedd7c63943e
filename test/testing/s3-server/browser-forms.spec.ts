import { createHmac } from 'node:crypto';
import { startS3Server, type S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { send, type RawResponse } from './s3-test-client.js';

const NOW = Date.parse('2030-01-02T03:04:05Z');
const SCOPE = '20300102/us-east-1/s3/aws4_request';

describe('browser forms', () => {
  let server: S3TestServer;

  beforeAll(async () => {
    server = await startS3Server({ now: () => NOW });
  });

  afterAll(() => server.close());

  type Fields = Record<string, string>;
  const signature = (policy: string): string => {
    const key = SCOPE.split('/').reduce<Buffer | string>(
      (previous, text) => createHmac('sha256', previous).update(text).digest(),
      `AWS4${server.credentials.secretAccessKey}`,
    );
    return createHmac('sha256', key).update(policy).digest('hex');
  };
  const signed = (
    fields: Fields,
    conditions: unknown[] = [],
    expiration = '2030-01-02T04:00:00Z',
  ): Fields => {
    const credential: Fields = {
      'x-amz-algorithm': 'AWS4-HMAC-SHA256',
      'x-amz-credential': `${server.credentials.accessKeyId}/${SCOPE}`,
      'x-amz-date': '20300102T030405Z',
    };
    const policy = Buffer.from(
      JSON.stringify({
        expiration,
        conditions: [
          { bucket: 'bucket' },
          ...Object.entries(credential).map(([name, value]) => ({
            [name]: value,
          })),
          ...conditions,
        ],
      }),
    ).toString('base64');
    return {
      ...fields,
      ...credential,
      policy,
      'x-amz-signature': signature(policy),
    };
  };
  const post = async (fields: Fields, file = new Blob(['hello'])): Promise<RawResponse> => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) {
      form.append(name, value);
    }
    form.append('file', file, 'photo.png');
    const encoded = new Response(form);
    return send(server, '/bucket', {
      method: 'POST',
      headers: { 'content-type': encoded.headers.get('content-type') ?? '' },
      body: Buffer.from(await encoded.arrayBuffer()),
    });
  };

  it('upload their file with a policy that allows it', async () => {
    const answer = await post(
      signed(
        {
          key: 'forms/ä',
          'Content-Type': 'image/png',
          'x-amz-meta-owner': 'me',
        },
        [
          ['eq', '$key', 'forms/ä'],
          ['starts-with', '$Content-Type', 'image/'],
          ['starts-with', '$x-amz-meta-owner', ''],
        ],
      ),
    );
    expect(answer.status).toBe(204);
    const stored = server.objects('bucket').get('forms/ä');
    expect(stored?.body.toString()).toBe('hello');
    expect(stored).toMatchObject({
      contentType: 'image/png',
      metadata: { owner: 'me' },
    });
  });

  it('keep a file whole that looks like a boundary', async () => {
    const text = '\r\n--\r\n------formdata\r\n'.repeat(9000);
    await post(signed({ key: 'tricky' }, [{ key: 'tricky' }]), new Blob([text]));
    expect(server.objects('bucket').get('tricky')?.body.toString()).toBe(text);
  });

  it('put the name of the file into the key', async () => {
    await post(signed({ key: 'by-name/${filename}' }, [['starts-with', '$key', 'by-name/']]));
    expect(server.objects('bucket').has('by-name/photo.png')).toBe(true);
  });

  it('answer a document to success_action_status 201', async () => {
    const answer = await post(
      signed({ key: 'created', success_action_status: '201' }, [
        { key: 'created' },
        { success_action_status: '201' },
      ]),
    );
    expect(answer.status).toBe(201);
    expect(answer.text).toContain('<Key>created</Key>');
  });

  it.each<[string, () => Fields, string]>([
    [
      'a key other than the one allowed',
      () => signed({ key: 'b' }, [{ key: 'a' }]),
      'AccessDenied',
    ],
    [
      'a key outside the prefix allowed',
      () => signed({ key: 'b/x' }, [['starts-with', '$key', 'a/']]),
      'AccessDenied',
    ],
    [
      'a field no condition covers',
      () => signed({ key: 'a', 'x-amz-meta-a': 'b' }, [{ key: 'a' }]),
      'AccessDenied',
    ],
    [
      'a field the policy asks for and the form lacks',
      () => signed({ key: 'a' }, [{ key: 'a' }, { 'Content-Type': 'a/b' }]),
      'AccessDenied',
    ],
    [
      'a policy that has expired',
      () => signed({ key: 'a' }, [{ key: 'a' }], '2030-01-02T03:04:05Z'),
      'AccessDenied',
    ],
    [
      'a file bigger than allowed',
      () => signed({ key: 'a' }, [{ key: 'a' }, ['content-length-range', 0, 4]]),
      'EntityTooLarge',
    ],
    [
      'a file smaller than allowed',
      () => signed({ key: 'a' }, [{ key: 'a' }, ['content-length-range', 6, 9]]),
      'EntityTooSmall',
    ],
    [
      'a policy that was changed',
      () => ({
        ...signed({ key: 'a' }, [{ key: 'a' }]),
        policy: signed({}, [['starts-with', '$key', '']])['policy'] ?? '',
      }),
      'SignatureDoesNotMatch',
    ],
    [
      'a field that the server would have to ignore',
      () =>
        signed({ key: 'a', 'x-amz-website-redirect-location': '/b' }, [
          { key: 'a' },
          { 'x-amz-website-redirect-location': '/b' },
        ]),
      'NotImplemented',
    ],
    ['no policy', () => ({ key: 'a' }), 'AccessDenied'],
    [
      'a policy that is not JSON',
      () => ({
        ...signed({ key: 'a' }),
        policy: 'e30x',
        'x-amz-signature': signature('e30x'),
      }),
      'InvalidPolicyDocument',
    ],
  ])('are refused for %s', async (_, fields, code) => {
    expect((await post(fields())).code).toBe(code);
    expect(server.objects('bucket').has('a')).toBe(false);
  });
});
