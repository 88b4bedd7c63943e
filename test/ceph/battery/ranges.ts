import { prepared, type Probe, toldWithBody } from './probe.js';

const CASES: readonly (readonly [range: string, expected: string])[] = [
  ['bytes=0-0', '206 content-range=bytes 0-0/10 "0"'],
  ['bytes=3-5', '206 content-range=bytes 3-5/10 "345"'],
  ['bytes=7-', '206 content-range=bytes 7-9/10 "789"'],
  ['bytes=-3', '206 content-range=bytes 7-9/10 "789"'],
  ['bytes=-99', '206 content-range=bytes 0-9/10 "0123456789"'],
  ['bytes=8-99', '206 content-range=bytes 8-9/10 "89"'],
  // RFC 9110 §14.1.2 and §14.2: what is not well-formed is ignored.
  ['bytes=5-3', '200 content-range=– "0123456789"'],
  ['lines=1-2', '200 content-range=– "0123456789"'],
  // More than one range at a time is none that S3 knows.
  ['bytes=0-1,4-5', '200 content-range=– "0123456789"'],
];

const REFUSED = ['bytes=10-', 'bytes=99-100', 'bytes=-0'];

/** Ranges of a file of ten bytes, `0123456789`. */
export const ranges: readonly Probe[] = [
  ...CASES.map(([range, expected]): Probe => ({
    name: `Range: ${range}`,
    expected,
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: '0123456789' }));
      return toldWithBody(await bucket.ask('GET', 'a', { headers: { range } }), 'content-range');
    },
  })),
  ...REFUSED.map((range): Probe => ({
    name: `Range: ${range}`,
    expected: '416 InvalidRange',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: '0123456789' }));
      return bucket.ask('GET', 'a', { headers: { range } });
    },
  })),
  {
    name: 'Range of an empty file',
    expected: '416 InvalidRange',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a'));
      return bucket.ask('GET', 'a', { headers: { range: 'bytes=0-0' } });
    },
  },
  {
    name: 'Range with HEAD',
    expected: '206 content-range=bytes 3-5/10 content-length=3 ""',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: '0123456789' }));
      const answer = await bucket.ask('HEAD', 'a', { headers: { range: 'bytes=3-5' } });
      return toldWithBody(answer, 'content-range', 'content-length');
    },
  },
  {
    name: 'Range with a condition that does not hold',
    expected: '412 PreconditionFailed',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: '0123456789' }));
      return bucket.ask('GET', 'a', { headers: { range: 'bytes=3-5', 'if-match': '"other"' } });
    },
  },
];
