import type { IncomingMessage, ServerResponse } from 'node:http';

/** What pages of other origins may do, as a bucket's CORS rule says it. In origins and headers, a `*` stands for any text. */
export interface CorsRule {
  /** Such as `https://app.example.com`. */
  readonly allowedOrigins: readonly string[];
  readonly allowedMethods: readonly string[];
  /** Headers that a page may send; those that browsers always may are not counted. Default none. */
  readonly allowedHeaders?: readonly string[];
  /** Headers of an answer that a page may read. Default none. */
  readonly exposeHeaders?: readonly string[];
}

/**
 * Tells browsers what a page may do (Fetch Standard, CORS protocol): a preflight is answered, and true returned; an
 * answer to anything else gets the headers that let the page read it. Without a rule that matches it gets none.
 */
export function applyCors(
  rules: readonly CorsRule[],
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const { origin, 'access-control-request-method': asked } = request.headers;
  if (origin === undefined) return false;
  const isPreflight = request.method === 'OPTIONS' && asked !== undefined;
  const method = isPreflight ? asked : (request.method ?? '');
  const headers = isPreflight ? listed(request.headers['access-control-request-headers']) : [];
  const rule = rules.find(
    ({ allowedOrigins, allowedMethods, allowedHeaders = [] }) =>
      matchesAny(origin, allowedOrigins) &&
      allowedMethods.includes(method) &&
      headers.every((header) => matchesAny(header, allowedHeaders)),
  );
  if (rule) {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader(
      'vary',
      'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    );
    const { exposeHeaders = [] } = rule;
    if (exposeHeaders.length > 0) {
      response.setHeader('access-control-expose-headers', exposeHeaders.join(', '));
    }
  }
  if (!isPreflight) return false;
  if (rule) {
    response.setHeader('access-control-allow-methods', rule.allowedMethods.join(', '));
    response.setHeader('access-control-allow-headers', headers.join(', '));
  }
  response.writeHead(rule ? 200 : 403, { 'content-length': 0 }).end();
  return true;
}

function listed(field: string | undefined): string[] {
  return (field ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
}

function matchesAny(text: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const literals = pattern.toLowerCase().split('*');
    const escaped = literals.map((literal) => literal.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'));
    return new RegExp(`^${escaped.join('.*')}$`).test(text);
  });
}
