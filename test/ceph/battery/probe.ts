import { createHash } from 'node:crypto';
import type { Answer, RawBucket } from './request.js';

/** One question to a server that speaks S3. */
export interface Probe {
  /** Unique among all. */
  readonly name: string;
  /** What AWS documents, in the words of `told`. */
  readonly expected: string;
  /** Asks in a bucket that nobody else uses. */
  readonly ask: (bucket: RawBucket) => Promise<Answer | string>;
}

/** `200`, `404 NoSuchKey`, and whatever else of the answer counts: `206 content-range=bytes 0-0/5`. */
export function told(answer: Answer, ...headers: readonly string[]): string {
  const values = headers.map((name) => `${name}=${String(answer.headers[name] ?? '–')}`);
  return [answer.status, answer.code ?? [], ...values].flat().join(' ');
}

/** The same, and the body as text, unless it is an error document. */
export function toldWithBody(answer: Answer, ...headers: readonly string[]): string {
  const head = told(answer, ...headers);
  return answer.code === undefined ? `${head} ${JSON.stringify(answer.text)}` : head;
}

/** The text of every such element of a document. */
export function textsOf(answer: Answer, element: string): string[] {
  return [...answer.text.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g'))].map(
    ([, text]) => unescapeXml(text!),
  );
}

export function textOf(answer: Answer, element: string): string | undefined {
  return textsOf(answer, element)[0];
}

/** What a step needs to have worked, so that a probe does not mistake its preparations for its answer. */
export async function prepared(answer: Promise<Answer>): Promise<Answer> {
  const { status, text } = await answer;
  if (status >= 300) throw new Error(`The preparation failed: ${status} ${text}`);
  return answer;
}

export function md5Hex(bytes: string | Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}

export function md5Base64(bytes: string | Buffer): string {
  return createHash('md5').update(bytes).digest('base64');
}

/** Escapes what would end an element. */
export function xmlText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function unescapeXml(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&#34;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}
