import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import type { ServerResponse } from 'node:http';
import { firstValueFrom, of, throwError } from 'rxjs';
import { hearOfOuterFailures, onOuterFailure } from '../../lib/uploads/outer-failures.js';

/** The interceptors that an app has been given for all of its routes. */
function configuration() {
  const interceptors: NestInterceptor[] = [];
  const config = {
    addGlobalInterceptor: (interceptor: NestInterceptor) => void interceptors.push(interceptor),
  } as unknown as ApplicationConfig;
  return { config, interceptors };
}

function contextOf(response: ServerResponse, type = 'http'): ExecutionContext {
  return {
    getType: () => type,
    switchToHttp: () => ({ getRequest: () => ({}), getResponse: () => response }),
  } as unknown as ExecutionContext;
}

const responseOf = (): ServerResponse => ({ writeHead() {} }) as unknown as ServerResponse;
const failure = new Error('around');
const failing: CallHandler = { handle: () => throwError(() => failure) };

/** Runs the handler behind the interceptor of an app. */
async function run(context: ExecutionContext, next: CallHandler): Promise<unknown> {
  const { config, interceptors } = configuration();
  hearOfOuterFailures(config);
  return firstValueFrom(await interceptors[0]!.intercept(context, next));
}

test('an app is heard of once', () => {
  const { config, interceptors } = configuration();
  hearOfOuterFailures(config);
  hearOfOuterFailures(config);
  expect(interceptors).toHaveLength(1);
});

test('all that is to be done is done before the failure goes on', async () => {
  const response = responseOf();
  const done: string[] = [];
  for (const name of ['first', 'second']) {
    onOuterFailure(response, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      done.push(name);
    });
  }
  await expect(run(contextOf(response), failing)).rejects.toBe(failure);
  expect(done).toEqual(['first', 'second']);
});

test('nothing is done for another request, nor where nothing fails', async () => {
  const response = responseOf();
  const act = (): never => {
    throw new Error('done');
  };
  onOuterFailure(response, act);
  await expect(run(contextOf(responseOf()), failing)).rejects.toBe(failure);
  expect(await run(contextOf(response), { handle: () => of('good') })).toBe('good');
});

test('what comes by no HTTP is let alone', async () => {
  const response = responseOf();
  let isDone = false;
  onOuterFailure(response, async () => void (isDone = true));
  await expect(run(contextOf(response, 'ws'), failing)).rejects.toBe(failure);
  expect(isDone).toBe(false);
});
