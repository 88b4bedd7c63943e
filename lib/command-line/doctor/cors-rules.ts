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
  const lacking = rules
    .map((rule) => lackOf(rule, origin, terms))
    .sort((one, other) => one.length - other.length)[0];
  if (lacking?.length === 0) {
    return { check: 'cors', outcome: 'ok', detail: `pages of ${origin} may upload` };
  }
  const nearest = lacking ? `the nearest one lacks ${lacking.join(', ')}` : 'it has none';
  return {
    check: 'cors',
    outcome: 'finding',
    detail: `pages of ${origin} cannot upload to ${terms.owner}`,
    advice: `Give ${terms.owner} a CORS rule with ${terms.origins} ${origin}, ${terms.example}; ${nearest}`,
  };
}

/** What the rule lacks for uploads from the origin. */
function lackOf(
  { origins, methods, headers, exposed }: CorsRule,
  origin: string,
  terms: CorsTerms,
): string[] {
  return [
    !matchesAny(origin, origins) && `${terms.origins} ${origin}`,
    !methods.some((method) => /^(PUT|\*)$/i.test(method)) && `${terms.methods} PUT`,
    ...terms.sent.map((name) => !matchesAny(name, headers) && `${terms.headers} ${name}`),
    ...terms.read.map((name) => !matchesAny(name, exposed) && `${terms.exposed} ${name}`),
  ].filter((each) => each !== false);
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
