import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { closeApps, until } from '../nest/app-fixture.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { png } from '../uploads/forms.js';
import { type Redis, redisLocker, RENEW } from './redis-locker.js';
import { CHUNK, published, shared, startTus, type TusApp } from './tus-fixture.js';

/** The part of Redis that the locker uses; what is set here does not expire. */
class FakeRedis implements Redis {
  readonly #values = new Map<string, string>();
  /** How often somebody got a lock. */
  locks = 0;

  set(key: string, value: string, px: 'PX', time: number, nx: 'NX'): Promise<'OK' | null>;
  set(key: string, value: string, px: 'PX', time: number): Promise<unknown>;
  async set(key: string, value: string, _px: 'PX', _time: number, nx?: 'NX'): Promise<'OK' | null> {
    if (nx && this.#values.has(key)) return null;
    if (nx) this.locks++;
    this.#values.set(key, value);
    return 'OK';
  }

  async eval(script: string, _count: number, ...args: (string | number)[]): Promise<unknown> {
    const [lock, wanted, owner] = args as string[];
    if (script === RENEW) {
      if (this.#values.get(lock!) !== owner) return 'lost';
      return this.#values.delete(wanted!) ? 'wanted' : 'held';
    }
    if (this.#values.get(lock!) === args[1]) this.#values.delete(lock!);
    return null;
  }

  get size(): number {
    return [...this.#values.keys()].filter((key) => !key.endsWith(':wanted')).length;
  }
}

describe('two replicas that share a locker', () => {
  const bytes = Buffer.concat([png(16), randomBytes(1_000_000)]);
  let redis: FakeRedis;
  let replicas: TusApp[];

  beforeEach(async () => {
    const { driver } = await recordingDriver();
    redis = new FakeRedis();
    replicas = [];
    for (const _ of [1, 2]) {
      replicas.push(
        await startTus({
          configuration: { driver: shared(driver) },
          options: { partSize: 100_000, locker: redisLocker(redis, 10_000, 5) },
        }),
      );
    }
  });
  afterEach(closeApps);

  async function expectWhole(): Promise<void> {
    const [first] = replicas;
    const keys = await published(first!.storage);
    expect(keys).toHaveLength(1);
    expect((await first!.storage.getBytes(keys[0]!)).equals(bytes)).toBe(true);
    await until(() => redis.size === 0);
  }

  test('let one of two clients at the same URL win', async () => {
    const [first, second] = replicas as [TusApp, TusApp];
    const path = await first.create(bytes.length);
    const answers = await Promise.all([
      first.append(path, 0, bytes),
      second.append(path, 0, bytes),
    ]);
    const statuses = answers.map(({ status }) => status);
    // Whoever came second ended the first one, or found its bytes there.
    expect(statuses.filter((status) => status === 204).length).toBeLessThan(2);
    for (let offset = 0; offset < bytes.length;) {
      offset = Number((await second.tus('HEAD', path)).headers['upload-offset']);
      if (offset < bytes.length) await second.append(path, offset, bytes.subarray(offset));
    }
    await expectWhole();
  });

  test('have the one let go of an upload that a client of the other goes on with', async () => {
    const [first, second] = replicas as [TusApp, TusApp];
    const path = await first.create(bytes.length);
    const before = redis.locks;
    const stalled = request({
      host: '127.0.0.1',
      port: first.port,
      path,
      method: 'PATCH',
      headers: { 'Tus-Resumable': '1.0.0', 'Upload-Offset': '0', ...CHUNK },
    });
    stalled.on('error', () => {});
    // The rest does not come: the client has gone to another network.
    stalled.write(bytes.subarray(0, 300_000));
    await until(() => redis.locks > before);
    const offset = Number((await second.tus('HEAD', path)).headers['upload-offset']);
    expect((await second.append(path, offset, bytes.subarray(offset))).status).toBe(204);
    await expectWhole();
    stalled.destroy();
  });
});
