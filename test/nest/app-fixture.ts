import type { INestApplication, LoggerService, ModuleMetadata } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import type { AddressInfo } from 'node:net';
// Not the global one, whose time a test may hold.
import { setTimeout as sleep } from 'node:timers/promises';

/** What the app logged, kept out of the test's output. */
export class LogRecorder implements LoggerService {
  readonly entries: { level: string; text: string }[] = [];

  log(): void {}
  debug(): void {}
  verbose(): void {}

  warn(...args: unknown[]): void {
    this.#record('warn', args);
  }

  error(...args: unknown[]): void {
    this.#record('error', args);
  }

  fatal(...args: unknown[]): void {
    this.#record('fatal', args);
  }

  get text(): string {
    return this.entries.map(({ text }) => text).join('\n');
  }

  #record(level: string, args: unknown[]): void {
    const text = args.map((each) => (each instanceof Error ? each.stack : String(each))).join(' ');
    this.entries.push({ level, text });
  }
}

export interface TestApp {
  readonly app: INestApplication;
  readonly port: number;
  readonly log: LogRecorder;
}

export interface AppSettings {
  /** Default: Express. */
  adapter?: AbstractHttpAdapter | undefined;
  /** What it listens on. Default: 127.0.0.1. */
  host?: string;
  /** Overrides providers before the app is compiled. */
  override?: (builder: TestingModuleBuilder) => TestingModuleBuilder;
  /** Sets the app up before it listens. */
  configure?: (app: INestApplication) => void;
}

const apps: INestApplication[] = [];

/** An app that listens on a free port until `closeApps()`. */
export async function startApp(
  metadata: ModuleMetadata,
  {
    adapter,
    host = '127.0.0.1',
    override = (builder) => builder,
    configure = () => {},
  }: AppSettings = {},
): Promise<TestApp> {
  const log = new LogRecorder();
  const builder = override(Test.createTestingModule(metadata).setLogger(log));
  const module = await builder.compile();
  const app = adapter ? module.createNestApplication(adapter) : module.createNestApplication();
  configure(app);
  await app.listen(0, host);
  apps.push(app);
  const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
  return { app, port, log };
}

/** For `afterEach`. */
export async function closeApps(): Promise<void> {
  await Promise.all(
    apps.splice(0).map(async (app) => {
      // One of HTTP/2 has none to close: its sessions are the client's.
      (app.getHttpServer() as { closeAllConnections?(): void }).closeAllConnections?.();
      await app.close();
    }),
  );
}

/** The error with which the call ends, so that a test can look at all of it. */
export async function failure(call: Promise<unknown> | (() => unknown)): Promise<Error> {
  try {
    await (typeof call === 'function' ? call() : call);
  } catch (error) {
    return error as Error;
  }
  throw new Error('The call was expected to fail');
}

/** Waits until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 120_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Still not so: ${condition.toString()}`);
    await sleep(2);
  }
}

/** Watches for rejections that nobody handles, from one `start()` to its `stop()`. */
export class RejectionWatch {
  readonly #reasons: unknown[] = [];
  readonly #note = (reason: unknown): void => void this.#reasons.push(reason);

  start(): void {
    process.on('unhandledRejection', this.#note);
  }

  /** @throws the first reason, if there was any */
  stop(): void {
    process.off('unhandledRejection', this.#note);
    if (this.#reasons.length > 0) throw this.#reasons.splice(0)[0];
  }
}
