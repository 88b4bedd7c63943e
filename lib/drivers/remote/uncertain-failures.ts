const uncertainFailures = new WeakSet<object>();

/** Marks the error of a request that the service may have done all the same: the answer was lost. */
export function markUncertain(error: unknown): void {
  if (typeof error === 'object' && error !== null) uncertainFailures.add(error);
}

/**
 * Whether the service may have done what was asked in spite of this error: because the answer was lost, or that of an attempt
 * before.
 */
export function mayHaveHappened(error: unknown): boolean {
  return uncertainFailures.has(error as object);
}
