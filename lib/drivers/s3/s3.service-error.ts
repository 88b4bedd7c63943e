import type { IncomingHttpHeaders } from 'node:http';
import { parseXml, rootName, textOf } from '../remote/xml.js';

/** What a service answered instead of what was asked for, in the shape of the SDK's own errors. */
export class S3ServiceError extends Error {
  readonly $metadata: { readonly httpStatusCode: number; readonly requestId: string | undefined };
  readonly $response: { readonly statusCode: number; readonly headers: IncomingHttpHeaders };
  readonly Code: string | undefined;
  readonly BucketName: string | undefined;
  readonly Region: string | undefined;
  readonly ActualObjectSize: string | undefined;
  /** The service's clock, as a refusal for a wrong one tells it. */
  readonly ServerTime: string | undefined;

  /** @param unnamed the name when the body tells no code */
  constructor(status: number, headers: IncomingHttpHeaders, body: string, unnamed = 'Unknown') {
    const tell = fieldsOf(body);
    const code = tell('Code');
    super(tell('Message') ?? '');
    this.name = code ?? unnamed;
    this.Code = code;
    this.BucketName = tell('BucketName');
    this.Region = tell('Region');
    this.ActualObjectSize = tell('ActualObjectSize');
    this.ServerTime = tell('ServerTime');
    const requestId = headers['x-amz-request-id'] ?? tell('RequestId');
    this.$metadata = {
      httpStatusCode: status,
      requestId: Array.isArray(requestId) ? requestId[0] : requestId,
    };
    this.$response = { statusCode: status, headers };
  }
}

/** Whether the document says that something failed, with whatever status it came. */
export function isErrorDocument(body: string): boolean {
  try {
    return rootName(body) === 'Error';
  } catch {
    return false;
  }
}

function fieldsOf(body: string): (name: string) => string | undefined {
  try {
    const root = parseXml(body);
    const error = root.name === 'Error' ? root : undefined;
    return (name) => (error && textOf(error, name)) || undefined;
  } catch {
    // A page of a proxy, or nothing at all.
    return () => undefined;
  }
}
