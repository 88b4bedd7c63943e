import { startS3Server, type S3TestServer } from '../../lib/testing/s3-server/index.js';
import { DIFFERENCES, STRICTER } from './battery/differences.js';
import type { Probe } from './battery/probe.js';
import { answerOf, PROBES } from './battery/probes.js';
import { type Answers, printTable, type Row } from './battery/table.js';
import { describeRadosgw, type Radosgw, startRadosgw } from './radosgw.js';

function expectedAnswers({ name, expected }: Probe): Answers {
  const strict = STRICTER.get(name)?.answer ?? expected;
  const { radosgw = expected, asCeph = strict } = DIFFERENCES.get(name) ?? {};
  return { strict, asCeph, radosgw };
}

describeRadosgw('the same requests', () => {
  let radosgw: Radosgw;
  let strict: S3TestServer;
  let asCeph: S3TestServer;
  const rows: Row[] = [];

  beforeAll(async () => {
    [radosgw, strict, asCeph] = await Promise.all([
      startRadosgw(),
      startS3Server(),
      startS3Server({ provider: 'ceph' }),
    ]);
  });

  afterAll(async () => {
    await Promise.all([radosgw?.close(), strict?.close(), asCeph?.close()]);
    printTable(rows);
  });

  describe.each(PROBES)('%s', (_, probes) => {
    it.each(probes.map((probe) => [probe.name, probe] as const))('%s', async (name, probe) => {
      const answers = {
        strict: await answerOf(strict, probe),
        asCeph: await answerOf(asCeph, probe),
        radosgw: await answerOf(radosgw, probe),
      };
      const note = DIFFERENCES.get(name)?.why ?? STRICTER.get(name)?.why ?? '';
      rows.push({ request: name, ...answers, note });
      expect(answers).toEqual(expectedAnswers(probe));
    });
  });
});
