import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import type { ServerResponse } from 'node:http';
import { catchError, type Observable } from 'rxjs';
import { httpExchange } from '../http-exchange.js';

type OnFailure = () => Promise<void>;

const listeners = new WeakMap<ServerResponse, OnFailure[]>();
const prepared = new WeakSet<ApplicationConfig>();

/** Has something done when an interceptor around the uploads fails, before a filter of the app answers, with whatever status. */
export function onOuterFailure(response: ServerResponse, act: OnFailure): void {
  const known = listeners.get(response);
  if (known) known.push(act);
  else listeners.set(response, [act]);
}

/** To be called while the app's providers are made: its own interceptors come inside of this one then. */
export function hearOfOuterFailures(config: ApplicationConfig): void {
  if (prepared.has(config)) return;
  prepared.add(config);
  config.addGlobalInterceptor(new OutermostInterceptor());
}

class OutermostInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    return next.handle().pipe(
      catchError(async (error: unknown): Promise<never> => {
        const { response } = httpExchange(context);
        const acts = listeners.get(response) ?? [];
        await Promise.all(acts.map((act) => act()));
        throw error;
      }),
    );
  }
}
