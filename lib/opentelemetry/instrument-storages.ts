import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  type MeterProvider,
  metrics,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type TracerProvider,
} from '@opentelemetry/api';
import {
  OPERATION_END,
  OPERATION_RETRY,
  OPERATION_START,
  type StorageCallEvent,
} from '../core/storage-events.js';

export interface StorageInstrumentationOptions {
  /** Default: the global one. */
  tracerProvider?: TracerProvider;
  /** Default: the global one. */
  meterProvider?: MeterProvider;
  /** Whether spans have the file's key as `storage.key`. Keys often name people. Default false. */
  keys?: boolean;
}

const SCOPE = 'nestjs-storages';

/**
 * Makes a span and metrics of each call to a storage, in the context in which it was called; that of a `get` ends when its body
 * does. Calls that are under way already are left out.
 *
 * Spans are named after method and storage, such as `put uploads`. Metrics: `storage.operation.duration` (seconds),
 * `storage.operation.active`, `storage.io` (bytes of bodies) and `storage.retries`; their attributes are `storage.name`,
 * `storage.driver`, `storage.operation` and, for what failed, `error.type`: the code of the `StorageError`.
 *
 * @returns what ends it, and the spans of the calls that are under way
 */
export function instrumentStorages(options: StorageInstrumentationOptions = {}): () => void {
  const { tracerProvider = trace, meterProvider = metrics, keys = false } = options;
  const tracer = tracerProvider.getTracer(SCOPE);
  const meter = meterProvider.getMeter(SCOPE);
  const duration = meter.createHistogram('storage.operation.duration', {
    description: 'Duration of calls to storages',
    unit: 's',
  });
  const active = meter.createUpDownCounter('storage.operation.active', {
    description: 'Calls to storages that are under way',
    unit: '{operation}',
  });
  const io = meter.createCounter('storage.io', {
    description: 'Bytes of bodies that were sent to storages and received from them',
    unit: 'By',
  });
  const retries = meter.createCounter('storage.retries', {
    description: 'Requests to backends that were repeated',
    unit: '{request}',
  });
  const spans = new Map<StorageCallEvent, Span>();

  const onStart = (message: unknown): void => {
    const event = message as StorageCallEvent;
    const attributes = attributesOf(event);
    const key = keys ? event.revealKey() : undefined;
    const span = tracer.startSpan(`${event.operation} ${event.storage}`, {
      kind: SpanKind.CLIENT,
      attributes: { ...attributes, ...(key !== undefined && { 'storage.key': key }) },
    });
    spans.set(event, span);
    active.add(1, attributes);
  };
  const onRetry = (message: unknown): void => {
    const event = message as StorageCallEvent;
    spans.get(event)?.addEvent('retry', { 'storage.retries': event.retries });
    retries.add(1, attributesOf(event));
  };
  const onEnd = (message: unknown): void => {
    const event = message as StorageCallEvent;
    const span = spans.get(event);
    // One that began before there was anybody to note it.
    if (!span) return;
    spans.delete(event);
    const attributes = attributesOf(event);
    const { bytes, errorCode } = event;
    const failure = errorCode === undefined ? {} : { 'error.type': errorCode };
    active.add(-1, attributes);
    duration.record((event.duration ?? 0) / 1000, { ...attributes, ...failure });
    if (bytes > 0) io.add(bytes, attributes);
    span.setAttributes({ 'storage.bytes': bytes, 'storage.retries': event.retries, ...failure });
    // The message of an error names the key.
    if (errorCode !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: errorCode });
    span.end();
  };

  const listeners = [
    [OPERATION_START, onStart],
    [OPERATION_RETRY, onRetry],
    [OPERATION_END, onEnd],
  ] as const;
  for (const [name, listener] of listeners) subscribe(name, listener);
  return () => {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
    // Nobody notes their end any more.
    for (const [event, span] of spans) {
      active.add(-1, attributesOf(event));
      span.end();
    }
    spans.clear();
  };
}

function attributesOf({ storage, driver, operation }: StorageCallEvent): Record<string, string> {
  return { 'storage.name': storage, 'storage.driver': driver, 'storage.operation': operation };
}
