import { attributes } from './attributes.js';
import { checksums } from './checksums.js';
import { chunks } from './chunks.js';
import { readConditions, writeConditions } from './conditions.js';
import { copies, partCopies } from './copies.js';
import { deletions } from './deletions.js';
import { forms } from './forms.js';
import { keys } from './keys.js';
import { listings } from './listings.js';
import { multipart } from './multipart.js';
import { objects } from './objects.js';
import { presigned } from './presigned.js';
import { type Probe, told } from './probe.js';
import { ranges } from './ranges.js';
import { RawBucket, type S3Endpoint } from './request.js';
import { signatures } from './signatures.js';

/** Every probe, by trade. */
export const PROBES: readonly (readonly [trade: string, probes: readonly Probe[]])[] = [
  ['objects and buckets', objects],
  ['attributes', attributes],
  ['keys', keys],
  ['ranges', ranges],
  ['conditions of reads', readConditions],
  ['conditions of writes', writeConditions],
  ['copies', copies],
  ['copies of parts', partCopies],
  ['multipart uploads', multipart],
  ['batch deletions', deletions],
  ['listings', listings],
  ['checksums', checksums],
  ['chunks', chunks],
  ['signatures', signatures],
  ['presigned URLs', presigned],
  ['forms', forms],
];

/** What the server answers to a probe, in a bucket of its own. */
export async function answerOf(server: S3Endpoint, probe: Probe): Promise<string> {
  const answer = await probe.ask(await RawBucket.create(server));
  return typeof answer === 'string' ? answer : told(answer);
}
