import { randomBytes } from 'node:crypto';
import { StorageConnectionError } from '../../core/errors.js';
import type { GcsBucket } from './gcs.client.js';
import { type GcsAnswer, headerOf } from './gcs.errors.js';
import { expectOk, objectPath, send } from './gcs.requests.js';

/** Calls that the service takes in one request. */
export const MAX_CALLS = 100;

/** Deletes objects in one request. Answers what the service says of each, in the order of the keys. */
export async function deleteBatch(
  bucket: GcsBucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<GcsAnswer[]> {
  const boundary = randomBytes(18).toString('hex');
  const calls = keys.map(
    (key, index) =>
      `--${boundary}\r\ncontent-type: application/http\r\ncontent-transfer-encoding: binary\r\n` +
      `content-id: <${index + 1}>\r\n\r\nDELETE ${objectPath(bucket, key)} HTTP/1.1\r\n\r\n\r\n`,
  );
  const answer = await send(bucket, {
    method: 'POST',
    path: '/batch/storage/v1',
    headers: { 'content-type': `multipart/mixed; boundary=${boundary}` },
    body: [Buffer.from(`${calls.join('')}--${boundary}--\r\n`)],
    signal,
  });
  const answers = parseAnswers(await expectOk(bucket, answer, signal));
  return keys.map((_, index) => {
    const found = answers.get(index + 1);
    if (found) return found;
    throw new StorageConnectionError('The service left out answers of a batch');
  });
}

/** The answers of a multipart/mixed body, by the number that their call had. */
function parseAnswers({ headers, body }: GcsAnswer): Map<number, GcsAnswer> {
  const type = headerOf(headers, 'content-type') ?? '';
  const match = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type);
  const boundary = match?.[1] ?? match?.[2];
  const answers = new Map<number, GcsAnswer>();
  if (boundary === undefined) return answers;
  for (const part of body.toString('utf8').split(`--${boundary}`).slice(1, -1)) {
    const [partHead = '', head = '', ...content] = part.split(/\r?\n\r?\n/);
    const id = /^content-id:[^>\r\n]*?(\d+)/im.exec(partHead)?.[1];
    const status = /^\s*HTTP\/[\d.]+ (\d{3})/.exec(head)?.[1];
    if (id === undefined || status === undefined) continue;
    answers.set(Number(id), {
      status: Number(status),
      headers: headersOf(head),
      body: Buffer.from(content.join('\r\n\r\n')),
    });
  }
  return answers;
}

function headersOf(head: string): Record<string, string> {
  const fields = head.split(/\r?\n/).slice(1);
  return Object.fromEntries(
    fields.map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    }),
  );
}
