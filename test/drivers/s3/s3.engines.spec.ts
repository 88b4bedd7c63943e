import { setMaxListeners } from 'node:events';
import { MIB, openS3, putOptions, read } from './open-s3.js';

const { signal } = new AbortController();
setMaxListeners(0, signal);

describe.each(['direct', 'sdk'] as const)('the engine "%s"', (engine) => {
  test('goes by the clock of the service when that of this machine is wrong', async () => {
    const hour = 3_600_000;
    await using s3 = await openS3({ engine, server: { now: () => Date.now() + hour } });
    await s3.driver.put('a', Buffer.from('hello'), putOptions());
    expect(String(await read(await s3.driver.get('a', { signal })))).toBe('hello');
    const statuses = s3.server.requests.map(({ status }) => status);
    expect([statuses.at(0), statuses.at(-1)]).toEqual([403, 200]);
  });

  test('tells from an error document with status 200 that nothing was stored', async () => {
    await using s3 = await openS3({ engine, retry: { maxRetries: 0 } });
    s3.server.fail({ operation: 'PutObject', with: '200-with-error' });
    const put = s3.driver.put('a', Buffer.from('hello'), putOptions());
    await expect(put).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    s3.server.fail({ operation: 'ListObjectsV2', with: '200-with-error' });
    const pages = s3.driver.list({ prefix: '', pageSize: 10, signal });
    await expect(pages[Symbol.asyncIterator]().next()).rejects.toMatchObject({ retryable: true });
  });

  test('fails a body in which a byte was changed', async () => {
    await using s3 = await openS3({ engine });
    await s3.driver.put('a', Buffer.alloc(300_000, 'a'), putOptions());
    s3.server.fail({ operation: 'GetObject', with: { corruptBodyAt: 200_000 } });
    const download = await s3.driver.get('a', { signal });
    await expect(read(download)).rejects.toMatchObject({ code: 'INTEGRITY' });
  });

  test('does not wait for ever for a connection that an unread download holds', async () => {
    await using s3 = await openS3({ engine, maxSockets: 1, timeout: 1000 });
    await s3.driver.put('a', Buffer.alloc(4 * MIB), putOptions());
    const held = await s3.driver.get('a', { signal });
    await expect(s3.driver.info('a', { signal })).rejects.toMatchObject({
      code: 'TIMEOUT',
      reason: expect.stringContaining('raise maxSockets') as string,
    });
    expect(await read(held)).toHaveLength(4 * MIB);
    await expect(s3.driver.info('a', { signal })).resolves.toMatchObject({ size: 4 * MIB });
  });
});

test('middleware of the client sees every request of the engine "sdk"', async () => {
  for (const [engine, expected] of [
    ['sdk', 2],
    ['direct', 0],
  ] as const) {
    await using s3 = await openS3({ engine });
    let seen = 0;
    s3.driver.client.middlewareStack.add(
      (next) => (args) => {
        seen++;
        return next(args);
      },
      { step: 'deserialize' },
    );
    await s3.driver.put('a', Buffer.from('hello'), putOptions());
    await s3.driver.info('a', { signal });
    expect(seen).toBe(expected);
  }
});

test('the engine "direct" signs with the credentials that the client has at that moment', async () => {
  await using s3 = await openS3();
  let given = 0;
  s3.driver.client.config.credentials = () =>
    Promise.resolve({
      ...s3.server.credentials,
      sessionToken: `token-${++given}`,
      // So soon that the client asks again each time.
      expiration: new Date(Date.now() + 1000),
    });
  await s3.driver.put('a', Buffer.from('hello'), putOptions()).catch(() => {});
  await s3.driver.info('a', { signal }).catch(() => {});
  const tokens = s3.server.requests.map(({ headers }) => headers['x-amz-security-token']);
  expect(tokens.length).toBeGreaterThanOrEqual(2);
  expect(new Set(tokens).size).toBe(tokens.length);
});
