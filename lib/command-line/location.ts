import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { realFolder } from './file-system.js';
import type { Place } from './place.js';

/** Options that say where files are, and are no secrets; those that are URLs may hold one. */
const NAMES = ['bucket', 'container', 'provider', 'region', 'accountId', 'accountName'] as const;
const URLS = ['endpoint', 'apiEndpoint', 'accountUrl'] as const;

/**
 * Where an address leads, without secrets: two that are spelled alike may differ in it, by `--config` or the working folder. What an
 * SDK takes from the environment by itself is not seen.
 */
export function locationOf({ storage, configuration }: Place): object {
  const { driver } = storage;
  const options: Readonly<Record<string, unknown>> = { ...configuration };
  const location: Record<string, unknown> = { driver, prefix: storage.prefix };
  if (configuration.driver === 'local') {
    location['root'] = realFolder(resolve(configuration.root));
  }
  for (const name of NAMES) location[name] = options[name];
  for (const name of URLS) location[name] = withoutSecrets(options[name]);
  if (typeof options['connectionString'] === 'string') {
    location['accountName'] = settingOf(options['connectionString'], 'AccountName');
    location['accountUrl'] = withoutSecrets(settingOf(options['connectionString'], 'BlobEndpoint'));
  }
  return location;
}

/** The key that a file of this machine has in a storage, if it is there at all. */
export function keyOfFile(path: string, { storage, configuration }: Place): string | undefined {
  if (configuration.driver !== 'local') return undefined;
  const file = join(realFolder(dirname(resolve(path))), basename(path));
  const root = realFolder(resolve(configuration.root));
  const fullKey = relative(root, file).split(sep).join('/');
  return fullKey.startsWith(storage.prefix) ? fullKey.slice(storage.prefix.length) : undefined;
}

/** User, password and query may be credentials. */
function withoutSecrets(url: unknown): string | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

function settingOf(connectionString: string, name: string): string | undefined {
  return new RegExp(`(?:^|;)\\s*${name}=([^;]*)`, 'i').exec(connectionString)?.[1];
}
