/** Whether this run is on the newest release of the SDK. */
export function isNewestSdk(): boolean {
  return !('SDK' in globalThis);
}

/** The driver and the release of its SDK that this run is on: `jest.config.js` names those that are not the newest. */
export function onSdk(newest: string): string {
  return (globalThis as { SDK?: string }).SDK ?? newest;
}
