import { UploadLocker } from '../../lib/tus/upload-locker.js';
import { failure } from '../nest/app-fixture.js';

const { signal } = new AbortController();
const nothing = (): void => {};

test('one has the lock of an upload at a time, the first come first, and each is asked to let go', async () => {
  const locker = new UploadLocker();
  const order: string[] = [];
  const take = async (name: string): Promise<() => Promise<void>> => {
    const lock = locker.newLock('a');
    await lock.lock(signal, () => void order.push(`${name} is asked`));
    order.push(`${name} has it`);
    return () => lock.unlock();
  };
  const release = await take('first');
  const others = [take('second'), take('third')];
  expect(order).toEqual(['first has it', 'first is asked', 'first is asked']);
  order.length = 0;
  await release();
  await (
    await others[0]!
  )();
  await (
    await others[1]!
  )();
  expect(order).toEqual(['second is asked', 'second has it', 'third has it']);
  await (
    await take('fourth')
  )();
});

test('uploads have locks of their own', async () => {
  const locker = new UploadLocker();
  const locks = ['a', 'b'].map((id) => locker.newLock(id).lock(signal, nothing));
  await expect(Promise.all(locks)).resolves.toHaveLength(2);
});

test('who waits too long, or does not want it any more, is told, and is in the way of nobody', async () => {
  const locker = new UploadLocker(1);
  const first = locker.newLock('a');
  await first.lock(signal, nothing);
  const late = await failure(locker.newLock('a').lock(signal, nothing));
  expect(late).toMatchObject({ status: 423 });
  const gone = new AbortController();
  const leaving = failure(new UploadLocker().newLock('a').lock(AbortSignal.abort(), nothing));
  expect(await leaving).toMatchObject({ status: 423 });
  const waiting = failure(locker.newLock('a').lock(gone.signal, nothing));
  gone.abort();
  expect(await waiting).toMatchObject({ status: 423 });
  await first.unlock();
  await expect(locker.newLock('a').lock(signal, nothing)).resolves.toBeUndefined();
});
