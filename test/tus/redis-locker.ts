import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpException } from '@nestjs/common';
import type { TusLocker } from '../../lib/tus/index.js';

/** What the locker asks of a client of Redis, as `ioredis` has it. */
export interface Redis {
  set(key: string, value: string, px: 'PX', milliseconds: number, nx: 'NX'): Promise<'OK' | null>;
  set(key: string, value: string, px: 'PX', milliseconds: number): Promise<unknown>;
  eval(script: string, keys: number, ...args: (string | number)[]): Promise<unknown>;
}

/** Both do nothing to a lock that is another's meanwhile. */
export const RENEW = `if redis.call('get', KEYS[1]) ~= ARGV[1] then return 'lost' end
redis.call('pexpire', KEYS[1], ARGV[2])
return redis.call('getdel', KEYS[2]) and 'wanted' or 'held'`;
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end`;

/** The locker of docs/tus.md, with the times as parameters. */
export function redisLocker(redis: Redis, life = 10_000, pace = 250): TusLocker {
  return {
    newLock(id) {
      const [lock, wanted, owner] = [`upload:{${id}}`, `upload:{${id}}:wanted`, randomUUID()];
      let renewing: NodeJS.Timeout | undefined;
      return {
        async lock(signal, requestRelease) {
          const end = Date.now() + 30_000;
          while ((await redis.set(lock, owner, 'PX', life, 'NX')) === null) {
            if (signal.aborted || Date.now() > end) throw new HttpException('Locked', 423);
            await redis.set(wanted, owner, 'PX', life);
            await sleep(pace);
          }
          // What stands there may be its own wish; others repeat theirs.
          await redis.eval(RENEW, 2, lock, wanted, owner, life);
          renewing = setInterval(async () => {
            const state = await redis.eval(RENEW, 2, lock, wanted, owner, life).catch(() => 'lost');
            if (state !== 'held') void requestRelease();
          }, pace);
        },
        async unlock() {
          clearInterval(renewing);
          await redis.eval(RELEASE, 1, lock, owner);
        },
      };
    },
  };
}
