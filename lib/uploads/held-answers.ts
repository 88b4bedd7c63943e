import { StreamableFile } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import type { ServerResponse } from 'node:http';
import { rawResponse } from '../http-exchange.js';

/** Called once, with the first answer: what the answer waits for, or nothing. @throws what is answered instead */
type BeforeAnswer = (status: number) => Promise<void> | undefined;

const waiting = new WeakMap<ServerResponse, BeforeAnswer>();
const prepared = new WeakSet<object>();

/** Has something done after all interceptors and before the answer that Nest gives to the request, but for redirects. */
export function beforeAnswer(response: ServerResponse, act: BeforeAnswer): void {
  waiting.set(response, act);
}

/**
 * Lets answers wait. Nest gives its answers by its adapter, and waits for that, but for a redirect on Nest 11: no interceptor
 * comes as late, and a failure still goes through the app's filters. To be called while the app starts.
 */
export function holdAnswers({ httpAdapter: adapter }: HttpAdapterHost): void {
  if (!adapter || prepared.has(adapter)) return;
  prepared.add(adapter);
  const { reply, render } = adapter as unknown as Record<
    'reply' | 'render',
    (...args: unknown[]) => unknown
  >;
  adapter.reply = (response: object, body: unknown, status?: number): unknown => {
    const answer = (): unknown => reply.call(adapter, response, body, status);
    // First whether anything waits: to look at a body costs as much as to send it.
    if (!waiting.has(rawResponse(response)) || !canBeSent(body)) return answer();
    return held(response, status ?? statusOf(response), answer);
  };
  adapter.render = (response: object, view: string, options: unknown): unknown =>
    held(response, statusOf(response), () => render.call(adapter, response, view, options));
}

function held(response: object, status: number, answer: () => unknown): unknown {
  const raw = rawResponse(response);
  const act = waiting.get(raw);
  // At most once: the failure is answered, too.
  waiting.delete(raw);
  const acting = act?.(status);
  if (!acting) return answer();
  const answered = acting.then(answer);
  // A filter does not wait for the answer that it gives.
  answered.catch(() => {});
  return answered;
}

/** What cannot be made into JSON becomes another answer yet, unless the app has ways of its own. */
function canBeSent(body: unknown): boolean {
  if (typeof body !== 'object' || body === null || body instanceof StreamableFile) return true;
  if (ArrayBuffer.isView(body) || 'pipe' in body) return true;
  try {
    JSON.stringify(body);
    return true;
  } catch {
    return false;
  }
}

function statusOf(response: object): number {
  return (response as { statusCode: number }).statusCode;
}
