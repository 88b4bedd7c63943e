import type { Query } from '../servers/url-encoding.js';
import { conditionNotMet, invalid, notModified } from './errors.js';
import type { StoredObject } from './object-store.js';

/** What must hold of the object there is. Generation 0 stands for none. */
export interface Conditions {
  readonly ifGenerationMatch?: bigint | undefined;
  readonly ifGenerationNotMatch?: bigint | undefined;
  readonly ifMetagenerationMatch?: bigint | undefined;
  readonly ifMetagenerationNotMatch?: bigint | undefined;
}

/** Names of the four conditions, for queries: of the object itself, or of a copy's source. */
export const CONDITION_PARAMETERS = [
  'ifGenerationMatch',
  'ifGenerationNotMatch',
  'ifMetagenerationMatch',
  'ifMetagenerationNotMatch',
] as const;

export const SOURCE_CONDITION_PARAMETERS = CONDITION_PARAMETERS.map(sourceParameter);

/** @throws GcsError invalid, for what is not a number */
export function conditionsOf(query: Query): Conditions {
  return readConditions((name) => query.get(name));
}

/** Those that a copy or rewrite puts on its source. */
export function sourceConditionsOf(query: Query): Conditions {
  return readConditions((name) => query.get(sourceParameter(name)));
}

/** Those of the XML API, which has them as headers. */
export function headerConditions(headers: ReadonlyMap<string, string>): Conditions {
  return {
    ifGenerationMatch: parseInt64(headers.get('x-goog-if-generation-match')),
    ifMetagenerationMatch: parseInt64(headers.get('x-goog-if-metageneration-match')),
  };
}

function readConditions(get: (name: (typeof CONDITION_PARAMETERS)[number]) => string | undefined) {
  return {
    ifGenerationMatch: parseInt64(get('ifGenerationMatch')),
    ifGenerationNotMatch: parseInt64(get('ifGenerationNotMatch')),
    ifMetagenerationMatch: parseInt64(get('ifMetagenerationMatch')),
    ifMetagenerationNotMatch: parseInt64(get('ifMetagenerationNotMatch')),
  } satisfies Conditions;
}

function sourceParameter(name: string): string {
  return name.replace('if', 'ifSource');
}

/** A generation as clients send it. @throws GcsError invalid */
export function parseInt64(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,19}$/.test(text)) throw invalid(`Invalid Value: ${text}`);
  return BigInt(text);
}

/**
 * Refuses a write whose conditions do not hold.
 *
 * @throws GcsError conditionNotMet
 */
export function checkConditions(current: StoredObject | undefined, conditions: Conditions): void {
  if (!matches(current, conditions)) throw conditionNotMet('If-Match');
  if (!differs(current, conditions)) throw conditionNotMet('If-None-Match');
}

/**
 * Refuses a read whose conditions do not hold: one that asked for something new gets a 304.
 *
 * @throws GcsError conditionNotMet, notModified
 */
export function checkReadConditions(object: StoredObject, conditions: Conditions): void {
  if (!matches(object, conditions)) throw conditionNotMet('If-Match');
  if (!differs(object, conditions)) throw notModified();
}

function matches(
  current: StoredObject | undefined,
  { ifGenerationMatch, ifMetagenerationMatch }: Conditions,
): boolean {
  return (
    (ifGenerationMatch === undefined || ifGenerationMatch === (current?.generation ?? 0n)) &&
    (ifMetagenerationMatch === undefined || ifMetagenerationMatch === current?.metageneration)
  );
}

function differs(
  current: StoredObject | undefined,
  { ifGenerationNotMatch, ifMetagenerationNotMatch }: Conditions,
): boolean {
  return (
    (ifGenerationNotMatch === undefined || ifGenerationNotMatch !== (current?.generation ?? 0n)) &&
    (ifMetagenerationNotMatch === undefined || ifMetagenerationNotMatch !== current?.metageneration)
  );
}
