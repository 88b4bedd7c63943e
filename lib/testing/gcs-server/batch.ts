import { randomBytes } from 'node:crypto';
import type { BatchedAnswer, BatchedRequest, Operation } from './call.js';
import { invalid } from './errors.js';
import { receiveText } from './receive.js';

const MAX_CALLS = 100;

interface BatchPart {
  /** As the client named it, to find the answer by. */
  readonly contentId: string | undefined;
  readonly request: BatchedRequest;
}

/** Up to a hundred calls in one request, each with a status of its own. */
export const runBatch: Operation = async (call) => {
  const type = call.headers.get('content-type') ?? '';
  const match = /^multipart\/mixed\s*;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw invalid('A batch must be multipart/mixed with a boundary.');
  const parts = parseParts(await receiveText(call), boundary);
  if (parts.length === 0) throw invalid('The batch is empty.');
  if (parts.length > MAX_CALLS) {
    throw invalid(`The batch has ${parts.length} calls; at most ${MAX_CALLS} are allowed.`);
  }
  const ours = `batch_${randomBytes(12).toString('base64url')}`;
  let text = '';
  for (const { contentId, request } of parts) {
    text += `--${ours}\r\n${partOf(contentId, await call.perform(request))}`;
  }
  return {
    status: 200,
    headers: { 'content-type': `multipart/mixed; boundary=${ours}` },
    text: `${text}--${ours}--\r\n`,
  };
};

function parseParts(text: string, boundary: string): BatchPart[] {
  const [, ...parts] = `\r\n${text}`.split(`\r\n--${boundary}`);
  if (!parts.pop()?.startsWith('--')) throw invalid('The batch does not end with its boundary.');
  return parts.map((part) => {
    const [headers, request] = headAndRest(part.replace(/^[ \t]*\r\n/, ''));
    if (!/^application\/http\b/i.test(headers.get('content-type') ?? '')) {
      throw invalid('Every part of a batch must be application/http.');
    }
    return { contentId: headers.get('content-id'), request: parseRequest(request) };
  });
}

function parseRequest(text: string): BatchedRequest {
  const [line = ''] = text.split('\r\n', 1);
  const [method, url] = line.split(' ');
  if (!method || !url) throw invalid(`Malformed request line in a batch: ${line}`);
  const [headers, body] = headAndRest(text.slice(line.length + 2));
  return { method, url: url.replace(/^https?:\/\/[^/]+/, ''), headers, body };
}

function headAndRest(text: string): [Map<string, string>, string] {
  // Without headers the head is empty, and what follows begins at once.
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n');
  const head = end < 0 ? text : text.slice(0, end);
  const rest = end < 0 ? '' : text.slice(end + (end === 0 ? 2 : 4));
  const headers = head
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    });
  return [new Map(headers), rest];
}

const STATUS_TEXT: Readonly<Record<number, string>> = { 200: 'OK', 204: 'No Content' };

function partOf(contentId: string | undefined, { status, headers, json }: BatchedAnswer): string {
  const body = json === undefined ? '' : JSON.stringify(json);
  const lines = [
    'Content-Type: application/http',
    ...(contentId === undefined ? [] : [`Content-ID: ${contentId.replace(/^<?/, '$&response-')}`]),
    '',
    `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? 'Error'}`,
    ...Object.entries(headers)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}: ${value}`),
    ...(body === '' ? [] : ['Content-Type: application/json; charset=UTF-8']),
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ];
  return `${lines.join('\r\n')}\r\n`;
}
