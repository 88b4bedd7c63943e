import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { StorageConnectionError } from '../../lib/index.js';
import { instrumentStorages } from '../../lib/opentelemetry/index.js';
import { fakeStorage } from '../../lib/testing/fakes/index.js';

describe('the OpenTelemetry instrumentation', () => {
  const spanExporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(spanExporter)],
  });
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
  const meterProvider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter: metricExporter })],
  });
  let stop: () => void;

  beforeAll(() => context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));

  beforeEach(() => {
    spanExporter.reset();
    metricExporter.reset();
  });

  afterEach(() => stop());

  afterAll(async () => {
    context.disable();
    await Promise.all([tracerProvider.shutdown(), meterProvider.shutdown()]);
  });

  /** The last value of each metric, by operation. */
  const measured = async (name: string): Promise<Record<string, any>> => {
    await meterProvider.forceFlush();
    return Object.fromEntries(
      metricExporter
        .getMetrics()
        .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
        .filter(({ descriptor }) => descriptor.name === name)
        .flatMap(({ dataPoints }) => dataPoints as { attributes: object; value: unknown }[])
        .map(({ attributes, value }) => [(attributes as any)['storage.operation'], value]),
    );
  };

  test('makes a span of each call, below the one that called, without its key', async () => {
    stop = instrumentStorages({ tracerProvider, meterProvider });
    const storage = fakeStorage('uploads', { retry: { maxRetries: 1, baseDelay: 0 } });
    storage.failOn('put');
    const parent = tracerProvider.getTracer('test').startSpan('request');
    await context.with(trace.setSpan(context.active(), parent), () =>
      storage.put('name-of-a-person.txt', 'hello'),
    );
    parent.end();
    const [put] = spanExporter.getFinishedSpans();
    expect(put!.name).toBe('put uploads');
    expect(put!.parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
    expect(put!.attributes).toEqual({
      'storage.name': 'uploads',
      'storage.driver': 'fake',
      'storage.operation': 'put',
      'storage.bytes': 5,
      'storage.retries': 1,
    });
    expect(put!.events.map(({ name }) => name)).toEqual(['retry']);
    expect(await measured('storage.io')).toEqual({ put: 5 });
    expect(await measured('storage.retries')).toEqual({ put: 1 });
  });

  test('ends the span of a get when its body ends, as it ends', async () => {
    stop = instrumentStorages({ tracerProvider, meterProvider, keys: true });
    const storage = fakeStorage('uploads');
    await storage.stored.put('a.txt', 'hello');
    storage.failOn('get', {
      afterBytes: 2,
      error: () => new StorageConnectionError('reset while reading a.txt'),
    });
    spanExporter.reset();
    const download = await storage.get('a.txt');
    expect(spanExporter.getFinishedSpans()).toEqual([]);
    expect(await measured('storage.operation.active')).toMatchObject({ get: 1 });
    await expect(download.bytes()).rejects.toThrow(StorageConnectionError);
    const [get] = spanExporter.getFinishedSpans();
    expect(get!.attributes).toMatchObject({
      'storage.key': 'a.txt',
      'storage.bytes': 2,
      'error.type': 'CONNECTION_FAILED',
    });
    expect(get!.status).toEqual({ code: SpanStatusCode.ERROR, message: 'CONNECTION_FAILED' });
    expect(await measured('storage.operation.active')).toMatchObject({ get: -1 });
    expect((await measured('storage.operation.duration'))['get'].count).toBe(1);
  });

  test('makes nothing any more once it is ended', async () => {
    stop = instrumentStorages({ tracerProvider, meterProvider });
    stop();
    await fakeStorage().put('a', 'hello');
    expect(spanExporter.getFinishedSpans()).toEqual([]);
  });

  test('ends the spans of calls under way when it is ended', async () => {
    stop = instrumentStorages({ tracerProvider, meterProvider });
    const storage = fakeStorage();
    await storage.stored.put('a', 'hello');
    storage.failOn('get', { afterBytes: 2 });
    const download = await storage.get('a');
    spanExporter.reset();
    stop();
    expect(spanExporter.getFinishedSpans().map(({ name }) => name)).toEqual(['get fake']);
    expect(await measured('storage.operation.active')).toMatchObject({ get: 0 });
    await expect(download.bytes()).rejects.toThrow(StorageConnectionError);
    expect(spanExporter.getFinishedSpans()).toHaveLength(1);
  });
});
