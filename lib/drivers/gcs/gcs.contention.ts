import { setTimeout as sleep } from 'node:timers/promises';

/** Rounds after which a write gives up that other writers have kept from getting through. */
export const MAX_WRITE_ROUNDS = 40;

const MAX_PAUSE = 500;

/** Waits before the next round for a random time, so that of several who are in each other's way every one gets through. */
export function pauseAfter(round: number, signal: AbortSignal): Promise<void> {
  return sleep(Math.random() * Math.min(MAX_PAUSE, 10 * 2 ** round), undefined, { signal });
}
