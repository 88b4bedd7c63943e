import type { IncomingHttpHeaders } from 'node:http';
import { parseXml, textOf, type XmlElement } from '../remote/xml.js';

/** What the service answered instead of what was asked for, in the shape of the SDK's own errors. */
export class AzureServiceError extends Error {
  override readonly name = 'RestError';
  readonly errorCode: string | undefined;
  readonly response: {
    readonly headers: { get(name: string): string | undefined };
    readonly bodyAsText: string;
  };

  constructor(
    readonly statusCode: number,
    headers: IncomingHttpHeaders,
    body: string,
  ) {
    const error = errorOf(body);
    super((error && textOf(error, 'Message')) ?? '');
    this.errorCode = error && textOf(error, 'Code');
    this.response = { headers: { get: (name) => headerOf(headers, name) }, bodyAsText: body };
  }
}

export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function errorOf(body: string): XmlElement | undefined {
  try {
    const root = parseXml(body);
    return root.name === 'Error' ? root : undefined;
  } catch {
    // A page of a proxy, or nothing at all.
    return undefined;
  }
}
