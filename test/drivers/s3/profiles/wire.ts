import type { S3RecordedRequest } from '../../../../lib/testing/s3-server/index.js';

/** A request as a golden file has it: what is constant of it, and `*` for the rest. */
export interface WireRequest {
  readonly operation: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function wireRequest({ operation, method, url, headers }: S3RecordedRequest): WireRequest {
  return {
    operation: operation ?? method,
    url: `${method} ${wireUrl(url)}`,
    headers: Object.fromEntries(
      Object.entries(headers)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => [name, wireHeader(name, value)]),
    ),
  };
}

/** Names and constant values of the query; for presigned URLs that is what they are bound to. */
export function wireUrl(url: string): string {
  const [path, query] = url.replace(/:\d+(?=\/|$)/, '').split('?');
  if (query === undefined) return path!;
  const parameters = query.split('&').map((parameter) => {
    const [name = '', value] = parameter.split('=');
    return value !== undefined && VOLATILE_PARAMETERS.test(name) ? `${name}=*` : parameter;
  });
  return `${path}?${parameters.join('&')}`;
}

/** The fields of a form, with what the policy demands instead of the policy. */
export function wireFields(fields: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (VOLATILE_PARAMETERS.test(name)) return [name, '*'];
      return [name, name === 'policy' ? policyConditions(value) : value];
    }),
  );
}

/** Each condition as the text that it is in the policy. */
function policyConditions(policy: string): string[] {
  const { conditions } = JSON.parse(Buffer.from(policy, 'base64').toString()) as {
    conditions: readonly unknown[];
  };
  return conditions.map((condition) =>
    JSON.stringify(condition).replace(/("x-amz-(?:credential|date)":)"[^"]*"/i, '$1"*"'),
  );
}

const VOLATILE_PARAMETERS =
  /^(uploadId|X-Amz-(Credential|Date|Signature|User-Agent)|x-amz-user-agent)$/i;
const VOLATILE_HEADERS =
  /^(x-amz-date|amz-sdk-invocation-id|user-agent|x-amz-user-agent|x-amz-meta-nestjs-storages-write)$/;

function wireHeader(name: string, value: string): string {
  if (VOLATILE_HEADERS.test(name)) return '*';
  switch (name) {
    case 'host':
      return value.replace(/:\d+$/, '');
    case 'authorization':
      return value.replace(/\/\d{8}\//, '/*/').replace(/Signature=[0-9a-f]{64}/, 'Signature=*');
    case 'x-amz-content-sha256':
      return /^[0-9a-f]{64}$/.test(value) ? 'sha256' : value;
    default:
      return value;
  }
}
