import { execFileSync } from 'node:child_process';
import { startS3Server, type S3TestServer } from '../../lib/testing/s3-server/index.js';
import { DIFFERENCES, STRICTER } from './battery/differences.js';
import type { Probe } from './battery/probe.js';
import { answerOf, PROBES } from './battery/probes.js';
import { type Answers, printTable, type Row } from './battery/table.js';
import { describeRadosgw, type Radosgw, startRadosgw } from './radosgw.js';
import { MEASURED_RELEASE, releaseOf } from './release.js';

declare const RADOSGW_INSTALLED: boolean;

function expectedAnswers({ name, expected }: Probe): Answers {
  const strict = STRICTER.get(name)?.answer ?? expected;
  const { radosgw = expected, asCeph = strict } = DIFFERENCES.get(name) ?? {};
  return { strict, asCeph, radosgw };
}

/** Each release differs in something else. A line says where the installed one was not measured. */
function wasMeasured(): boolean {
  const version = execFileSync('radosgw', ['--version'], { encoding: 'utf8' });
  if (releaseOf(version) === MEASURED_RELEASE) return true;
  process.stderr.write(
    `Skipped: the same requests. The differences are those of Ceph ${MEASURED_RELEASE}; this is ${version}`,
  );
  return false;
}

const describeMeasured = RADOSGW_INSTALLED && !wasMeasured() ? describe.skip : describeRadosgw;

describeMeasured('the same requests', () => {
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
