import { startS3Server, type S3TestServer } from '../../lib/testing/s3-server/index.js';
import { EXPLANATIONS, DIFFERENCES, STRICTER } from './battery/differences.js';
import { answerOf, PROBES } from './battery/probes.js';

const probes = PROBES.flatMap(([, ofTrade]) => ofTrade);

describe('the strict server answers as AWS documents to', () => {
  let strict: S3TestServer;

  beforeAll(async () => {
    strict = await startS3Server();
  });

  afterAll(() => strict.close());

  it.each(probes.map((probe) => [probe.name, probe] as const))('%s', async (name, probe) => {
    expect(await answerOf(strict, probe)).toBe(STRICTER.get(name)?.answer ?? probe.expected);
  });
});

describe('the differences to radosgw', () => {
  it('are each explained once', () => {
    const names = EXPLANATIONS.flatMap(({ answers }) => Object.keys(answers));
    expect(names).toHaveLength(DIFFERENCES.size);
    expect(new Set(probes.map(({ name }) => name)).size).toBe(probes.length);
  });

  it('are of requests that are made, and are differences', () => {
    const expected = new Map(probes.map(({ name, expected: answer }) => [name, answer]));
    for (const [name, { radosgw }] of DIFFERENCES) {
      expect(expected.has(name)).toBe(true);
      expect({ name, radosgw }).not.toEqual({ name, radosgw: expected.get(name) });
    }
    for (const [name, { answer }] of STRICTER) expect(answer).not.toBe(expected.get(name));
  });
});
