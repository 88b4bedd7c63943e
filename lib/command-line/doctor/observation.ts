/** The outcome of one check. */
export interface Observation {
  readonly check:
    | 'open'
    | 'list'
    | 'put'
    | 'get'
    | 'clock'
    | 'create-only'
    | 'multipart'
    | 'delete'
    | 'cors'
    | 'lifecycle';
  readonly outcome: 'ok' | 'finding' | 'skipped';
  readonly detail: string;
  /** What to change. */
  readonly advice?: string;
}

/** For rules that the service does not tell: no fault of the storage, which works all the same. */
export function unread(
  check: 'cors' | 'lifecycle',
  right: string,
  { name }: { readonly name: string },
): Observation {
  const detail = `the service does not tell (${name}); it needs the right ${right}, where there is one`;
  return { check, outcome: 'skipped', detail };
}
