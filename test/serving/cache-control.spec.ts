import { cacheControl } from '../../lib/serving/cache-control.js';

describe('Cache-Control of a file that is handed out for a minute', () => {
  test.each([
    ['public', 'public, max-age=60'],
    ['public, immutable', 'public, immutable, max-age=60'],
    ['s-maxage=600', 's-maxage=60, max-age=60'],
    ['public, max-age=5', 'public, max-age=5'],
    ['max-age="3600"', 'max-age=60'],
    ['no-cache', 'no-cache'],
    ['private, no-store, no-transform', 'private, no-store, no-transform'],
    ['no-cache="Set-Cookie"', 'no-cache="Set-Cookie", max-age=60'],
    [
      'max-age=31536000, stale-while-revalidate=31536000, stale-if-error=31536000',
      'max-age=60, stale-while-revalidate=0, stale-if-error=0',
    ],
    ['max-age=20, s-maxage=30, stale-if-error=3600', 'max-age=20, s-maxage=30, stale-if-error=30'],
    ['public, stale-while-revalidate=10', 'public, stale-while-revalidate=0, max-age=60'],
  ])('that is stored with %j is %j', (stored, sent) => {
    expect(cacheControl({ maxAge: 60 }, undefined, { cacheControl: stored })).toBe(sent);
  });
});
