import { Query } from '../servers/url-encoding.js';
import { invalid } from './errors.js';

/** What a request line points at, decoded exactly once. */
export interface RequestTarget {
  /** The path as it came, still encoded. */
  readonly rawPath: string;
  /** What stands between the slashes of the path. */
  readonly segments: readonly string[];
  readonly query: Query;
}

/** @throws GcsError when a percent sequence is not UTF-8 */
export function parseTarget(url: string): RequestTarget {
  const mark = url.indexOf('?');
  const rawPath = mark < 0 ? url : url.slice(0, mark);
  return {
    rawPath,
    segments: rawPath.slice(1).split('/').map(decode),
    query: new Query(
      (mark < 0 ? '' : url.slice(mark + 1))
        .split('&')
        .filter((pair) => pair !== '')
        .map((pair) => {
          const equals = pair.indexOf('=');
          const name = equals < 0 ? pair : pair.slice(0, equals);
          const value = equals < 0 ? '' : pair.slice(equals + 1);
          // Only in a query does `+` stand for a space.
          return [decode(name.replaceAll('+', ' ')), decode(value.replaceAll('+', ' '))];
        }),
    ),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`The request URI is not well-formed: ${text}`, 'InvalidURI');
  }
}

const MAX_NAME_BYTES = 1024;

/** What Google refuses as the name of an object. @throws GcsError */
export function checkObjectName(name: string): void {
  const bytes = Buffer.byteLength(name);
  const wrong =
    bytes < 1 || bytes > MAX_NAME_BYTES
      ? `must be 1 to ${MAX_NAME_BYTES} bytes long, not ${bytes}`
      : /[\r\n]/.test(name)
        ? 'must not contain carriage returns or line feeds'
        : name === '.' || name === '..' || name.startsWith('.well-known/acme-challenge/')
          ? 'is reserved'
          : undefined;
  if (wrong !== undefined) {
    throw invalid(`The specified object name is not valid: it ${wrong}.`, 'InvalidObjectName');
  }
}
