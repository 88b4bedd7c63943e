import { getEventListeners } from 'node:events';
import type { Readable } from 'node:stream';
import { ScanInspection } from '../../lib/uploads/upload-scan.js';

const file = { fieldname: 'photo', originalname: 'a.png' } as never;

test('a scanner that was waited for many times leaves nothing on its stream, nor on the signal', async () => {
  const { signal } = new AbortController();
  let given!: Readable;
  const inspection = new ScanInspection(
    async (stream) => {
      given = stream;
      for await (const _ of stream);
    },
    file,
    { request: {}, timeout: 60_000, signal },
  );
  await inspection.see(Buffer.alloc(100_000));
  const listeners = (): number[] => ['drain', 'close'].map((name) => given.listenerCount(name));
  const once = listeners();
  for (let chunk = 0; chunk < 20; chunk++) await inspection.see(Buffer.alloc(100_000));
  expect(listeners()).toEqual(once);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  await inspection.decide();
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
