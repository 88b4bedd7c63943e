import { scopeText, sign } from '../../../lib/testing/s3-server/canonical-request.js';
import { type Probe, told } from './probe.js';
import type { Answer, RawBucket } from './request.js';
import { signatureContext } from './signing.js';

type Fields = Readonly<Record<string, string>>;

interface Form {
  readonly fields: Fields;
  /** Beside those of bucket and signature. */
  readonly conditions: readonly unknown[];
  readonly file?: string;
  readonly expiration?: Date;
  readonly bucket?: string;
  /** After the signature was made. */
  readonly tamper?: (fields: Record<string, string>) => void;
}

const inAMinute = (): Date => new Date(Date.now() + 60_000);

async function post(bucket: RawBucket, form: Form): Promise<Answer> {
  const { fields, conditions, file = 'hello', expiration = inAMinute() } = form;
  const { accessKeyId, timestamp, scope, key } = signatureContext(bucket.signing);
  const signing = {
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${accessKeyId}/${scopeText(scope)}`,
    'x-amz-date': timestamp,
  };
  const policy = Buffer.from(
    JSON.stringify({
      expiration: expiration.toISOString(),
      conditions: [{ bucket: form.bucket ?? bucket.name }, ...separate(signing), ...conditions],
    }),
  ).toString('base64');
  const all = { ...fields, ...signing, policy, 'x-amz-signature': sign(key, policy) };
  form.tamper?.(all);
  return postFields(bucket, all, file);
}

async function postFields(bucket: RawBucket, fields: Fields, file: string): Promise<Answer> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append('file', new Blob([file]), 'photo.png');
  const encoded = new Response(form);
  const headers = { 'content-type': encoded.headers.get('content-type') ?? '' };
  return bucket.send('POST', `/${bucket.name}`, headers, Buffer.from(await encoded.arrayBuffer()));
}

const separate = (fields: Fields): Fields[] =>
  Object.entries(fields).map(([name, value]) => ({ [name]: value }));

const KEY: Form = { fields: { key: 'a' }, conditions: [{ key: 'a' }] };

function answered(name: string, expected: string, form: () => Form): Probe {
  return { name: `a form ${name}`, expected, ask: (bucket) => post(bucket, form()) };
}

/** PostObject: uploads of browsers, under a policy. */
export const forms: readonly Probe[] = [
  answered('that its policy allows', '204', () => KEY),
  {
    name: 'a form with attributes',
    expected: '204, then 200 content-type=image/png x-amz-meta-a=b content-length=5',
    async ask(bucket) {
      const fields = { 'Content-Type': 'image/png', 'x-amz-meta-a': 'b' };
      const answer = await post(bucket, {
        fields: { key: 'a', ...fields },
        conditions: [['eq', '$key', 'a'], ...separate(fields)],
      });
      const got = await bucket.ask('HEAD', 'a');
      return `${told(answer)}, then ${told(got, 'content-type', 'x-amz-meta-a', 'content-length')}`;
    },
  },
  {
    name: 'a form whose key takes the name of the file',
    expected: '204, then 200',
    async ask(bucket) {
      const answer = await post(bucket, {
        fields: { key: 'up/${filename}' },
        conditions: [['starts-with', '$key', 'up/']],
      });
      return `${told(answer)}, then ${told(await bucket.ask('GET', 'up/photo.png'))}`;
    },
  },
  {
    name: 'a form that asks for status 201',
    expected: '201 key=a',
    async ask(bucket) {
      const answer = await post(bucket, {
        fields: { key: 'a', success_action_status: '201' },
        conditions: [{ key: 'a' }, { success_action_status: '201' }],
      });
      return `${told(answer)} key=${/<Key>([^<]*)</.exec(answer.text)?.[1]}`;
    },
  },
  answered('that asks for status 200', '200', () => ({
    fields: { key: 'a', success_action_status: '200' },
    conditions: [{ key: 'a' }, { success_action_status: '200' }],
  })),
  {
    name: 'a form that asks for a redirect',
    expected: '303 to http://127.0.0.1/done with bucket, key, etag',
    async ask(bucket) {
      const redirect = { success_action_redirect: 'http://127.0.0.1/done' };
      const answer = await post(bucket, {
        fields: { key: 'a', ...redirect },
        conditions: [{ key: 'a' }, redirect],
      });
      const location = answer.headers['location'];
      if (location === undefined) return answer;
      const { origin, pathname, searchParams } = new URL(location);
      return `${told(answer)} to ${origin}${pathname} with ${[...searchParams.keys()].join(', ')}`;
    },
  },
  answered('with a Content-Type that begins as allowed', '204', () => ({
    fields: { key: 'a', 'Content-Type': 'image/png' },
    conditions: [{ key: 'a' }, ['starts-with', '$Content-Type', 'image/']],
  })),
  answered('with a Content-Type that begins otherwise', '403 AccessDenied', () => ({
    fields: { key: 'a', 'Content-Type': 'text/html' },
    conditions: [{ key: 'a' }, ['starts-with', '$Content-Type', 'image/']],
  })),
  answered('with another key', '403 AccessDenied', () => ({
    fields: { key: 'b' },
    conditions: [{ key: 'a' }],
  })),
  answered('with a key outside of the prefix', '403 AccessDenied', () => ({
    fields: { key: 'b/x' },
    conditions: [['starts-with', '$key', 'a/']],
  })),
  answered('without a field that the policy names', '403 AccessDenied', () => ({
    fields: { key: 'a' },
    conditions: [{ key: 'a' }, { 'Content-Type': 'image/png' }],
  })),
  answered('with a field that the policy does not name', '403 AccessDenied', () => ({
    fields: { key: 'a', 'x-amz-meta-a': 'b' },
    conditions: [{ key: 'a' }],
  })),
  answered('with a field to be ignored', '204', () => ({
    fields: { key: 'a', 'x-ignore-this': 'b' },
    conditions: [{ key: 'a' }],
  })),
  answered('for another bucket', '403 AccessDenied', () => ({ ...KEY, bucket: 'another' })),
  answered('that has expired', '403 AccessDenied', () => ({
    ...KEY,
    expiration: new Date(Date.now() - 60_000),
  })),
  answered('with a file within the sizes', '204', () => ({
    ...KEY,
    conditions: [{ key: 'a' }, ['content-length-range', 5, 5]],
  })),
  answered('with a file that is too large', '400 EntityTooLarge', () => ({
    ...KEY,
    conditions: [{ key: 'a' }, ['content-length-range', 0, 4]],
  })),
  answered('with a file that is too small', '400 EntityTooSmall', () => ({
    ...KEY,
    conditions: [{ key: 'a' }, ['content-length-range', 6, 9]],
  })),
  {
    name: 'what is left of a form with a file that is too large',
    expected: '404 NoSuchKey',
    async ask(bucket) {
      await post(bucket, {
        ...KEY,
        conditions: [{ key: 'a' }, ['content-length-range', 0, 4]],
      });
      return bucket.ask('GET', 'a');
    },
  },
  answered('with a policy that was changed', '403 SignatureDoesNotMatch', () => ({
    ...KEY,
    tamper(fields) {
      const policy = Buffer.from(fields['policy']!, 'base64').toString();
      fields['policy'] = Buffer.from(policy.replace('"a"', '"b"')).toString('base64');
    },
  })),
  answered('with another signature', '403 SignatureDoesNotMatch', () => ({
    ...KEY,
    tamper: (fields) => (fields['x-amz-signature'] = '0'.repeat(64)),
  })),
  answered('of somebody unknown', '403 InvalidAccessKeyId', () => ({
    ...KEY,
    tamper: (fields) =>
      (fields['x-amz-credential'] = fields['x-amz-credential']!.replace(/^[^/]+/, 'nobody')),
  })),
  answered('without a signature', '400 InvalidArgument', () => ({
    ...KEY,
    tamper: (fields) => delete fields['x-amz-signature'],
  })),
  {
    name: 'a form without a policy',
    expected: '403 AccessDenied',
    ask: (bucket) => postFields(bucket, { key: 'a' }, 'hello'),
  },
  {
    name: 'a form whose policy is no JSON',
    expected: '400 InvalidPolicyDocument',
    ask: (bucket) =>
      post(bucket, {
        ...KEY,
        tamper(fields) {
          const { key } = signatureContext(bucket.signing);
          fields['policy'] = Buffer.from('{"expiration":').toString('base64');
          fields['x-amz-signature'] = sign(key, fields['policy']);
        },
      }),
  },
  {
    name: 'a form without a key',
    expected: '400 InvalidArgument',
    ask: (bucket) => post(bucket, { fields: {}, conditions: [] }),
  },
];
