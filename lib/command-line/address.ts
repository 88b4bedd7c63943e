import { basename, dirname, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StorageConfiguration } from '../drivers/driver-options.js';
import { isFolder, realFolder, rootAround } from './file-system.js';
import { nearest, UsageError } from './usage-error.js';

/** Where an argument leads: a storage, and the key or prefix in it. */
export interface Address {
  readonly name: string;
  readonly configuration: StorageConfiguration;
  /** As it was typed; the empty string for the whole storage. */
  readonly path: string;
}

/** How the path of a `file:` URL is taken. */
interface PathOptions {
  /** As that of a folder, there or not, and not that of a file. */
  readonly isFolder?: boolean;
  /** Folders of it are created when they are missing. */
  readonly isCreated?: boolean;
}

export type NamedStorages = Readonly<Record<string, StorageConfiguration>>;

/** What the query of a URL may set, by scheme. Nothing secret is among it: whoever lists processes reads it. */
const URL_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  's3:': ['endpoint', 'region', 'provider', 'accountId', 'forcePathStyle'],
  'gs:': ['projectId', 'apiEndpoint'],
  'azure:': ['account', 'accountUrl'],
  'file:': [],
  'memory:': [],
};

const SECRET =
  /secret|password|token|accesskey|accountkey|credential|connectionstring|signature|^sig$/i;

// oxlint-disable-next-line no-control-regex
const CONTROL_CHARACTER = /[\0-\x1f\x7f]/;

/** Of buckets and containers, `$root` and `$web` of Azure included. */
const PLACE_NAME = /^(?!\.+$)[\w.$-]+$/;

/**
 * Reads `s3://bucket/key?region=…`, `gs://bucket/key`, `azure://container/key?account=…`, `file:///path`, `memory:key`, or
 * `name:key` of a configured storage. The path is taken as it is typed: percent-encoded, with `#`, blanks and `\` as parts of names.
 *
 * @throws UsageError that never repeats a secret
 */
export function parseAddress(
  text: string,
  storages: NamedStorages,
  options: PathOptions = {},
): Address {
  const named = /^([^:/]+):(?!\/\/)(.*)$/s.exec(text);
  const configuration = named && Object.hasOwn(storages, named[1]!) && storages[named[1]!];
  if (named && configuration) return { name: named[1]!, configuration, path: named[2]! };
  const scheme = /^[a-z0-9]+:/.exec(text)?.[0];
  const queryOptions = scheme === undefined ? undefined : URL_OPTIONS[scheme];
  if (scheme === undefined || !queryOptions) {
    const known = [...Object.keys(storages).map((name) => `${name}:`), ...Object.keys(URL_OPTIONS)];
    const typed = /^([^:@/?]{1,64}):/.exec(text)?.[1];
    const names = Object.keys(storages).map((name) => `"${name}"`);
    throw new UsageError(
      (typed === undefined
        ? 'An address has no scheme'
        : `No storage is called "${typed}"${nearest(`${typed}:`, known)}`) +
        (names.length === 0 ? '' : `; --config has ${names.join(', ')}`) +
        '. Take a URL (s3://, gs://, azure://, file:///, memory:) or name:key of --config',
    );
  }
  // Not by `new URL()`, which cuts #…, trims blanks, drops tabs and resolves dot segments: another file would be meant.
  if (CONTROL_CHARACTER.test(text)) {
    throw new UsageError(
      `${aUrl(scheme)} has a control character, such as a tab or a line break: write it as %09 or %0A if it is meant`,
    );
  }
  const [, location, rawQuery] = /^([^?]*)(?:\?(.*))?$/s.exec(text.slice(scheme.length))!;
  const query = rawQuery === undefined ? {} : parseQuery(scheme, rawQuery, queryOptions);
  return { name: scheme.slice(0, -1), ...locate(scheme, location!, query, options) };
}

function parseQuery(
  scheme: string,
  text: string,
  known: readonly string[],
): Readonly<Record<string, string>> {
  if (!text.includes('=')) {
    throw new UsageError(
      `The first ? of a ${scheme} URL begins its options, as in ?name=value: write that of a path as %3F`,
    );
  }
  const query: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    if (known.includes(name)) {
      query[name] = value;
    } else if (SECRET.test(name)) {
      throw new UsageError(
        `${aUrl(scheme)} must not hold ${name}: credentials come from the environment, or from a file by --config`,
      );
    } else {
      throw new UsageError(
        `${aUrl(scheme)} has no option ${name}${nearest(name, known)}. ` +
          `${known.length ? `It has ${known.join(', ')}` : 'It has none'}; a ? of a path is written as %3F`,
      );
    }
  }
  return query;
}

function locate(
  scheme: string,
  location: string,
  query: Readonly<Record<string, string>>,
  options: PathOptions,
): Omit<Address, 'name'> {
  if (scheme === 'memory:') {
    return { configuration: { driver: 'memory' }, path: keyOf(scheme, location) };
  }
  const [, authority, rawPath = ''] = /^\/\/([^/]*)(?:\/(.*))?$/s.exec(location) ?? [];
  if (authority?.includes('@')) {
    throw new UsageError(
      `${aUrl(scheme)} must not hold credentials: they come from the environment, or from a file by --config`,
    );
  }
  if (scheme === 'file:') {
    if (authority !== '' || rawPath === '') {
      throw new UsageError('A file: URL has three slashes and a whole path: file:///path');
    }
    assertNoDotSegments(scheme, decode(rawPath));
    return locateFile(pathOf(`/${rawPath}`), options);
  }
  const place = decode(authority ?? '');
  if (!PLACE_NAME.test(place)) {
    throw new UsageError(`${aUrl(scheme)} begins with ${scheme}//name-of-the-bucket`);
  }
  const path = keyOf(scheme, rawPath);
  if (scheme === 'gs:') return { configuration: { driver: 'gcs', bucket: place, ...query }, path };
  if (scheme === 'azure:') return { configuration: azure(place, query), path };
  const { forcePathStyle, ...rest } = query;
  const configuration = {
    driver: 's3',
    bucket: place,
    ...rest,
    ...(forcePathStyle !== undefined && { forcePathStyle: forcePathStyle !== 'false' }),
  };
  // An unknown provider is refused by name when the storage is opened.
  return { configuration: configuration as StorageConfiguration, path };
}

/** AZURE_STORAGE_CONNECTION_STRING and AZURE_STORAGE_KEY are what the tools of Azure read, too. */
function azure(container: string, query: Readonly<Record<string, string>>): StorageConfiguration {
  const { account, accountUrl } = query;
  const connectionString = process.env['AZURE_STORAGE_CONNECTION_STRING'];
  if (account === undefined && accountUrl === undefined) {
    if (connectionString) return { driver: 'azure', container, connectionString };
    throw new UsageError(
      'An azure: URL needs ?account=name, or AZURE_STORAGE_CONNECTION_STRING in the environment',
    );
  }
  const accountKey = process.env['AZURE_STORAGE_KEY'];
  return {
    driver: 'azure',
    container,
    ...(account !== undefined && { accountName: account }),
    ...(accountUrl !== undefined && { accountUrl }),
    ...(accountKey && { accountKey }),
  };
}

/**
 * A path in a storage of an app is a key or a prefix of it. Elsewhere, a folder is a storage, and a file is the key of its name in the
 * storage that its folder is.
 */
function locateFile(path: string, options: PathOptions): Omit<Address, 'name'> {
  const namesFolder = options.isFolder === true || path.endsWith(sep) || isFolder(path);
  const [at, name] = namesFolder ? [path, ''] : [dirname(path), basename(path)];
  // A folder that has to be there is its own storage, so that one that is spelled wrong is no prefix without files.
  const root = options.isCreated === true || isFolder(at) ? rootAround(at) : undefined;
  if (root === undefined) return { configuration: { driver: 'local', root: at }, path: name };
  const key = relative(root, realFolder(at)).split(sep).join('/');
  return { configuration: { driver: 'local', root }, path: key === '' ? name : `${key}/${name}` };
}

/** The path of this machine, byte for byte. */
function pathOf(text: string): string {
  const segments = text.split('/').map(decode);
  if (segments.some((segment) => segment.includes('\0'))) {
    throw new UsageError('A file: URL is no path: no path has %00');
  }
  try {
    // Encoded as a whole, so that nothing of it means anything to the parser of URLs.
    return fileURLToPath(`file://${segments.map(encodeURIComponent).join('/')}`);
  } catch (error) {
    throw new UsageError(`A file: URL is no path: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws UsageError for `.` and `..`: they would be resolved by some, and be names to others */
function assertNoDotSegments(scheme: string, path: string): void {
  if (!path.split('/').some((segment) => segment === '.' || segment === '..')) return;
  throw new UsageError(
    `${aUrl(scheme)} has a segment . or .. in its path: write the path without it`,
  );
}

function keyOf(scheme: string, text: string): string {
  const key = decode(text);
  assertNoDotSegments(scheme, key);
  return key;
}

/** With the article that the first letter has when it is read aloud. */
function aUrl(scheme: string): string {
  return `${/^(s3|azure):/.test(scheme) ? 'An' : 'A'} ${scheme} URL`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError('A URL has a % that is not followed by two hexadecimal digits of UTF-8');
  }
}
