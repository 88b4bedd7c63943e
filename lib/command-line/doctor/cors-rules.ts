import type { Observation } from './observation.js';

/** What pages of other origins may do, whatever the service calls it. */
export interface CorsRule {
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  /** Headers that a page may send. */
  readonly headers: readonly string[];
  /** Headers of an answer that a page may read. */
  readonly exposed: readonly string[];
}

/** What a service calls the parts of a rule, and what uploads to it need of each, with the value that the advice is to name. */
export interface CorsTerms {
  /** What the rules are given to, such as `the bucket`. */
  readonly owner: string;
  readonly origins: string;
  readonly methods: string;
  readonly headers: string;
  /** Headers that a page has to send. */
  readonly sent: readonly string[];
  readonly exposed: string;
  /** Headers that a page has to read. */
  readonly read: readonly string[];
  /** The rest of a rule that allows all of it. */
  readonly example: string;
}

/** Whether pages of an origin may send files to the bucket. Without an origin, what is set up is only told. */
export function judgeCors(
  rules: readonly CorsRule[],
  origin: string | undefined,
  terms: CorsTerms,
): Observation {
  if (origin === undefined) {
    const number = rules.length;
    const detail = `${number} rules of CORS; --origin https://… tells whether its pages may upload`;
    return { check: 'cors', outcome: number ? 'ok' : 'skipped', detail };
  }
  const taking = rules.filter((rule) => lackOf(rule, origin, terms).length === 0);
  // The request for a permission is answered by the first rule that has its headers, too; the upload by the first for origin and method.
  const lacking = taking[0]
    ? [...leastOf(taking.map((rule) => unsendable(rule, terms))), ...unreadable(taking[0], terms)]
    : leastOf(
        rules.map((rule) => [
          ...lackOf(rule, origin, terms),
          ...unsendable(rule, terms),
          ...unreadable(rule, terms),
        ]),
      );
  if (taking[0] && lacking.length === 0) {
    return { check: 'cors', outcome: 'ok', detail: `pages of ${origin} may upload` };
  }
  const which = taking[0]
    ? 'the first one for it, which is the one that counts,'
    : 'the nearest one';
  const nearest = rules.length ? `${which} lacks ${lacking.join(', ')}` : 'it has none';
  return {
    check: 'cors',
    outcome: 'finding',
    detail: `pages of ${origin} cannot upload to ${terms.owner}`,
    advice: `Give ${terms.owner} a CORS rule with ${terms.origins} ${origin}, ${terms.example}; ${nearest}`,
  };
}

/** What the rule lacks to be for uploads from the origin. */
function lackOf({ origins, methods }: CorsRule, origin: string, terms: CorsTerms): string[] {
  return [
    ...(matchesAny(origin, origins) ? [] : [`${terms.origins} ${origin}`]),
    ...(methods.some((method) => /^(PUT|\*)$/i.test(method)) ? [] : [`${terms.methods} PUT`]),
  ];
}

/** What uploads have to send and may not. */
function unsendable({ headers }: CorsRule, terms: CorsTerms): string[] {
  const names = terms.sent.filter((name) => !matchesAny(name, headers));
  return names.map((name) => `${terms.headers} ${name}`);
}

/** What pages have to read of the answer and may not. */
function unreadable({ exposed }: CorsRule, terms: CorsTerms): string[] {
  const names = terms.read.filter((name) => !matchesAny(name, exposed));
  return names.map((name) => `${terms.exposed} ${name}`);
}

function leastOf(lists: readonly string[][]): string[] {
  return [...lists].sort((one, other) => one.length - other.length)[0] ?? [];
}

/** One `*` in a pattern stands for any text. */
function matchesAny(text: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const [start, end] = pattern.toLowerCase().split('*', 2) as [string, string?];
    const lower = text.toLowerCase();
    if (end === undefined) return lower === start;
    return (
      lower.length >= start.length + end.length && lower.startsWith(start) && lower.endsWith(end)
    );
  });
}
