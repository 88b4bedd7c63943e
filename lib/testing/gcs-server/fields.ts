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
    const wildcard = selection.has('*');
    if (!selection.has(name) && !wildcard) return [];
    return [[name, project(inner, selection.has(name) ? selection.get(name) : selection.get('*'))]];
  });
  return Object.fromEntries(entries);
}

function parseFields(fields: string): Selection {
  const tokens = fields.match(/[(),/]|[^(),/\s]+/g) ?? [];
  let at = 0;
  const malformed = (): Error => invalid(`Invalid field selection ${fields}`);

  const list = (): Selection => {
    const selection: Selection = new Map();
    do {
      const name = tokens[at++];
      if (name === undefined || /^[(),/]$/.test(name)) throw malformed();
      selection.set(name, merged(selection, name, inner()));
    } while (tokens[at] === ',' && at++ >= 0);
    return selection;
  };
  const inner = (): Selection | undefined => {
    if (tokens[at] === '/') {
      at++;
      const name = tokens[at++];
      if (name === undefined || /^[(),/]$/.test(name)) throw malformed();
      return new Map([[name, inner()]]);
    }
    if (tokens[at] !== '(') return undefined;
    at++;
    const selection = list();
    if (tokens[at++] !== ')') throw malformed();
    return selection;
  };

  const selection = list();
  if (at !== tokens.length) throw malformed();
  return selection;
}

/** `a/b,a/c` asks for both. */
function merged(
  selection: Selection,
  name: string,
  inner: Selection | undefined,
): Selection | undefined {
  const earlier = selection.get(name);
  return earlier && inner ? new Map([...earlier, ...inner]) : inner;
}
