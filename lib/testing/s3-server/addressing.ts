import { Query } from '../servers/url-encoding.js';
import { s3Error } from './errors.js';
import type { ProviderBehaviour } from './provider-behaviour.js';

/** What a request line and its Host name point at, decoded exactly once. */
export interface RequestTarget {
  /** The path of the URL, decoded: what a signature covers. */
  readonly path: string;
  readonly query: Query;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
}

const VIRTUAL_HOST = /^(.+?)(?:\.s3)?\.localhost(?::\d+)?$/i;

/**
 * @throws S3Error InvalidURI when a percent sequence is not UTF-8 or the base path is not there, and
 *   SecondLevelDomainForbidden when the path names the bucket of a service that has its buckets in host names only
 */
export function parseTarget(
  url: string,
  host: string,
  { addressing, basePath }: Pick<ProviderBehaviour, 'addressing' | 'basePath'>,
): RequestTarget {
  const mark = url.indexOf('?');
  const path = decodeOnce(mark < 0 ? url : url.slice(0, mark));
  const query = new Query(
    (mark < 0 ? '' : url.slice(mark + 1))
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const equals = pair.indexOf('=');
        return equals < 0
          ? [decodeOnce(pair), '']
          : [decodeOnce(pair.slice(0, equals)), decodeOnce(pair.slice(equals + 1))];
      }),
  );

  const resource = resourceBelow(basePath, path);
  const virtualBucket = addressing.includes('virtual-host')
    ? VIRTUAL_HOST.exec(host)?.[1]
    : undefined;
  if (virtualBucket !== undefined && virtualBucket.toLowerCase() !== 's3') {
    return { path, query, bucket: virtualBucket, key: resource || undefined };
  }
  if (resource !== '' && !addressing.includes('path')) {
    throw s3Error(
      'SecondLevelDomainForbidden',
      'The bucket you are attempting to access must be addressed using a host name of its own.',
    );
  }
  const slash = resource.indexOf('/');
  return {
    path,
    query,
    bucket: (slash < 0 ? resource : resource.slice(0, slash)) || undefined,
    key: slash < 0 ? undefined : resource.slice(slash + 1) || undefined,
  };
}

/** The path behind the base path, without its slash; empty for the service itself. */
function resourceBelow(basePath: string, path: string): string {
  if (path !== basePath && !path.startsWith(`${basePath}/`)) {
    throw s3Error('InvalidURI', `There is nothing outside of ${basePath}.`);
  }
  return path.slice(basePath.length + 1);
}

/**
 * S3 reads `+` as a space in paths as well as in queries, so a client that
 * leaves it unescaped misses its object.
 */
export function decodeOnce(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw s3Error('InvalidURI', "Couldn't parse the specified URI.", {
      details: { URI: text },
    });
  }
}

/** @throws S3Error KeyTooLongError */
export function checkKeyLength(key: string, maxBytes: number): void {
  const size = Buffer.byteLength(key);
  if (size > maxBytes) {
    throw s3Error('KeyTooLongError', 'Your key is too long', {
      details: { Size: size, MaxSizeAllowed: maxBytes },
    });
  }
}
