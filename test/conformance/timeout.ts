/** Milliseconds for one behaviour: workers that share a small machine with others have waited longer than the kit's own. */
export const TIMEOUT = 240_000;
