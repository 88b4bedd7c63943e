import { startGcsServer } from '../../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../../lib/testing/s3-server/index.js';

const cors = [
  {
    allowedOrigins: ['https://*.example.com'],
    allowedMethods: ['PUT'],
    allowedHeaders: ['content-type', 'x-amz-*', 'x-one*one-*-end'],
    exposeHeaders: ['ETag'],
  },
];
const SERVERS = {
  s3: () => startS3Server({ cors }),
  gcs: () => startGcsServer({ cors }),
};

describe.each(Object.entries(SERVERS))('the %s server with a CORS rule', (_, start) => {
  const preflight = (origin: string, method: string, headers: string) => ({
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': headers,
    },
  });

  it('lets pages of its origins send what it allows, and no others', async () => {
    await using server = await start();
    const ask = async (...asked: Parameters<typeof preflight>) => {
      const { status, headers } = await fetch(`${server.endpoint}/bucket/a`, preflight(...asked));
      return [status, headers.get('access-control-allow-origin')];
    };
    const origin = 'https://app.example.com';
    expect(await ask(origin, 'PUT', 'content-type, X-Amz-Meta-A')).toEqual([200, origin]);
    expect(await ask(origin, 'DELETE', '')).toEqual([403, null]);
    expect(await ask(origin, 'PUT', 'x-other')).toEqual([403, null]);
    expect(await ask('https://example.org', 'PUT', '')).toEqual([403, null]);
    expect(await ask('https://appXexample.com', 'PUT', '')).toEqual([403, null]);
    expect(await ask(origin, 'PUT', 'x-one-one-more-end')).toEqual([200, origin]);
    // Each character of the pattern stands for one of the header.
    expect(await ask(origin, 'PUT', 'x-one-more-end')).toEqual([403, null]);
    expect(await ask(origin, 'PUT', 'x-one-one-end')).toEqual([403, null]);
  });

  it('lets them read answers, refusals too, with the headers that it exposes', async () => {
    await using server = await start();
    const { status, headers } = await fetch(`${server.endpoint}/bucket/a`, {
      method: 'PUT',
      headers: { origin: 'https://app.example.com' },
    });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    expect(headers.get('access-control-expose-headers')).toBe('ETag');
  });
});

it('tells browsers nothing without a rule', async () => {
  await using server = await startS3Server();
  const { headers } = await fetch(`${server.endpoint}/bucket/a`, {
    headers: { origin: 'https://app.example.com' },
  });
  expect(headers.get('access-control-allow-origin')).toBeNull();
});
