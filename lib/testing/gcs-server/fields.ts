import type { Query } from '../servers/url-encoding.js';
import { isRecord } from './attributes.js';
import type { GcsResponse } from './call.js';
import { invalid } from './errors.js';

/** A property and what is wanted of it; everything when nothing is named. */
type Selection = Map<string, Selection | undefined>;

/** The answer, narrowed down to what the query asks for. @throws GcsError invalid */
export function withFields(response: GcsResponse, query: Query): GcsResponse {
  const fields = query.get('fields');
  if (response.json === undefined || fields === undefined || fields === '') return response;
  return { ...response, json: selectFields(response.json, fields) };
}

/**
 * The parts of an answer that `fields` names, such as `nextPageToken,items(name,size)` or `items/name`.
 *
 * @throws GcsError invalid, when it is malformed
 */
function selectFields(answer: object, fields: string): object {
  return project(answer, parseFields(fields)) as object;
}

function project(value: unknown, selection: Selection | undefined): unknown {
  if (!selection) return value;
  if (Array.isArray(value)) return value.map((item) => project(item, selection));
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    const selected = [name, '*'].find((each) => selection.has(each));
    return selected === undefined ? [] : [[name, project(inner, selection.get(selected))]];
  });
  return Object.fromEntries(entries);
}

function parseFields(fields: string): Selection {
  const tokens = fields.match(/[(),/]|[^(),/\s]+/g) ?? [];
  let at = 0;
  const malformed = (): Error => invalid(`Invalid field selection ${fields}`);
  const skip = (token: string): boolean => {
    if (tokens[at] !== token) return false;
    at++;
    return true;
  };
  const nextName = (): string => {
    const name = tokens[at++];
    if (name === undefined || /^[(),/]$/.test(name)) throw malformed();
    return name;
  };

  const list = (): Selection => {
    const selection: Selection = new Map();
    do {
      const name = nextName();
      selection.set(name, merged(selection, name, inner()));
    } while (skip(','));
    return selection;
  };
  const inner = (): Selection | undefined => {
    if (skip('/')) return new Map([[nextName(), inner()]]);
    if (!skip('(')) return undefined;
    const selection = list();
    if (!skip(')')) throw malformed();
    return selection;
  };

  const selection = list();
  if (at !== tokens.length) throw malformed();
  return selection;
}

/** `a/b,a/c` asks for both, and `a,a/b` for all of it. */
function merged(
  selection: Selection,
  name: string,
  inner: Selection | undefined,
): Selection | undefined {
  if (!selection.has(name)) return inner;
  const earlier = selection.get(name);
  if (!earlier || !inner) return undefined;
  const both: Selection = new Map(earlier);
  for (const [each, within] of inner) both.set(each, merged(both, each, within));
  return both;
}
