import { setImmediate as turn } from 'node:timers/promises';

/** Resolves when the condition holds. What does not hold for two minutes never will. */
export async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(120_000);
  while (!(await condition())) {
    if (deadline.aborted) throw new Error(`Waited in vain until ${condition.toString()}`);
    await turn();
  }
}
