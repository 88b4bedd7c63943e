import { jest } from '@jest/globals';
import { ForbiddenException } from '@nestjs/common';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import type { DirectUploadsOptions } from '../../lib/interfaces/direct-uploads-options.interface.js';
import { closeApps } from '../nest/app-fixture.js';
import {
  BACKENDS,
  type DirectApp,
  type DirectRequest,
  keysOf,
  PNG,
  put,
  startDirect,
} from './direct-fixture.js';
import { fakeOnly } from '../fake-timers.js';

const MINUTE = 60_000;

beforeEach(() => {
  // Requests take the time that they take; the clock, and what recurs by it, are the test's.
  fakeOnly(['Date', 'setInterval', 'clearInterval']);
});
afterEach(async () => {
  jest.restoreAllMocks();
  jest.useRealTimers();
  await closeApps();
});

/** As in a process whose timers come late: the time passes, and nothing that recurs has run. */
function pass(minutes: number): void {
  jest.setSystemTime(Date.now() + minutes * MINUTE);
}

async function sent(
  options: Partial<DirectUploadsOptions<DirectRequest>>,
  configuration: StorageConfiguration = { driver: 'memory' },
): Promise<{ app: DirectApp; path: string; resend: () => Promise<Response> }> {
  const app = await startDirect(configuration, options);
  const { json } = await app.call('POST', '/direct-uploads', { filename: 'a', size: PNG.length });
  const resend = () => put(json, PNG);
  expect((await resend()).ok).toBe(true);
  return { app, path: `/direct-uploads/${json.id}`, resend };
}

test('a file that the app refuses after six minutes is removed, and can be sent again', async () => {
  const { app, path, resend } = await sent({
    onUploaded() {
      pass(6);
      throw new ForbiddenException();
    },
  });
  expect((await app.call('POST', `${path}/complete`)).status).toBe(403);
  expect([await app.keys(), await app.staged()]).toEqual([[], []]);
  await resend();
  expect((await app.call('GET', path)).json.state).toBe('uploaded');
});

test('an app that takes six minutes to accept a file is told of it once', async () => {
  const told: string[] = [];
  const { app, path } = await sent({
    onUploaded({ key }) {
      told.push(key);
      pass(6);
    },
  });
  const first = await app.call('POST', `${path}/complete`);
  const second = await app.call('POST', `${path}/complete`);
  pass(11);
  const third = await app.call('POST', `${path}/complete`);
  expect([first.status, second.status, third.status, told]).toEqual([
    200,
    200,
    200,
    [first.json.key],
  ]);
});

test('a file whose scan and publication take six minutes each, and that the app moves, becomes no second one', async () => {
  const { app, path, resend } = await sent({
    async scan(stream) {
      for await (const _ of stream);
      pass(6);
      return undefined;
    },
    onUploaded: ({ key }, { storage }) => storage.move(key, `mine/${key}`),
  });
  const staged = app.storage.staged.bind(app.storage);
  jest.spyOn(app.storage, 'staged').mockImplementation(async (name) => {
    const file = await staged(name);
    const commit = file.commit.bind(file);
    return Object.assign(file, {
      commit: async (...given: Parameters<typeof commit>) => {
        const published = await commit(...given);
        pass(6);
        return published;
      },
    });
  });
  const first = await app.call('POST', `${path}/complete`);
  expect(first.status).toBe(200);
  await resend();
  pass(11);
  expect((await app.call('GET', path)).json.state).toBe('completed');
  expect((await app.call('POST', `${path}/complete`)).json.key).toBe(first.json.key);
  expect(await app.keys()).toEqual([`mine/${first.json.key}`]);
});

test('however long the app takes, no other request decides about the upload meanwhile', async () => {
  const told: string[] = [];
  let accept: () => void = () => {};
  let began: () => void = () => {};
  const hasBegun = new Promise<void>((resolve) => (began = resolve));
  const { app, path } = await sent({
    onUploaded({ key }) {
      if (told.push(key) > 1) return undefined;
      began();
      return new Promise<void>((resolve) => (accept = resolve));
    },
  });
  const first = app.call('POST', `${path}/complete`);
  await hasBegun;
  await jest.advanceTimersByTimeAsync(25 * MINUTE);
  expect((await app.call('POST', `${path}/complete`)).json.code).toBe('UPLOAD_BUSY');
  // It may still be refused.
  expect((await app.call('GET', path)).json.state).toBe('uploaded');
  accept();
  expect((await first).status).toBe(200);
  expect((await app.call('POST', `${path}/complete`)).status).toBe(200);
  expect([told.length, jest.getTimerCount()]).toEqual([1, 0]);
});

test('a sweep leaves an upload alone whose completion began in time, and takes most of an hour', async () => {
  const { app, path } = await sent({
    scanTimeout: '20m',
    async scan(stream) {
      for await (const _ of stream);
      await jest.advanceTimersByTimeAsync(75 * MINUTE);
      await app.storage.sweep({ olderThan: 1 });
    },
  });
  // The last moment of the hour that is left for a file that came at the last moment.
  const { json } = await app.call('GET', path);
  jest.setSystemTime(Date.parse(json.expiresAt) + 60 * MINUTE - 1000);
  expect((await app.call('POST', `${path}/complete`)).status).toBe(200);
  expect(await app.keys()).toHaveLength(1);
  pass(10);
  await app.storage.sweep({ olderThan: 1 });
  expect(await keysOf(app.storage.staging())).toEqual([]);
});

test('a renewal whose answer is lost leaves the right to decide where it is', async () => {
  await using backend = await BACKENDS['s3']!();
  const { app, path } = await sent(
    {
      async onUploaded() {
        backend.s3!.fail({ operation: 'PutObject', with: 'reset-after-commit' });
        // By which the driver looks what has become of it.
        backend.s3!.fail({ operation: 'HeadObject', with: 'reset' });
        await jest.advanceTimersByTimeAsync(2 * MINUTE);
      },
    },
    { ...backend.configuration, retry: { maxRetries: 0 } } as StorageConfiguration,
  );
  const statuses = [];
  for (let i = 0; i < 2; i++) statuses.push((await app.call('POST', `${path}/complete`)).status);
  expect([statuses, await app.staged()]).toEqual([[200, 200], []]);
});
