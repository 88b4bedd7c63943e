import { StorageConfigurationError } from '../../core/errors.js';
import type { S3StorageOptions } from './s3.options.js';
import { S3_PROFILES, type S3Profile, type S3Provider } from './s3.profiles.js';

/** Which service holds the bucket, and where it is. */
export interface S3Location {
  readonly profile: S3Profile;
  /** Absent: that of AWS, or what the SDK's default chain says. */
  readonly endpoint: string | undefined;
  /** Absent: from the SDK's default chain. */
  readonly region: string | undefined;
  readonly pathStyle: boolean;
}

/**
 * What the options say of the service, completed by its profile.
 *
 * @throws StorageConfigurationError when something is missing, or when two options contradict each other
 */
export function locate(options: S3StorageOptions): S3Location {
  const provider = options.provider ?? providerOf(options.endpoint);
  const profile = S3_PROFILES[provider];
  if (options.client) return { profile, endpoint: undefined, region: undefined, pathStyle: false };
  assertNoContradiction(provider, options);
  const endpoint = options.endpoint ?? fillIn(provider, options);
  return {
    profile,
    endpoint,
    region: options.region ?? regionOf(endpoint) ?? profile.region,
    pathStyle: options.forcePathStyle ?? profile.addressing === 'path',
  };
}

/** The service behind an endpoint, by its host; `'generic'` when the host tells nothing. */
export function providerOf(endpoint: string | undefined): S3Provider {
  if (endpoint === undefined) return 'aws';
  const host = new URL(endpoint).hostname;
  const known = Object.entries(S3_PROFILES).find(([, { hosts }]) => hosts?.test(host));
  return (known?.[0] as S3Provider | undefined) ?? 'generic';
}

/** The region that such hosts as `s3.eu-central-003.backblazeb2.com` name. */
export function regionOf(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined) return undefined;
  const host = new URL(endpoint).hostname;
  const template = S3_PROFILES[providerOf(endpoint)].endpoint;
  const [, before, after] = /^https:\/\/(.*)\{region\}(.*)$/.exec(template ?? '') ?? [];
  if (before === undefined || after === undefined) return undefined;
  if (!host.startsWith(before) || !host.endsWith(after)) return undefined;
  // OSS has a second host in each region, for its own network.
  const region = host.slice(before.length, -after.length).replace(/-internal$/, '');
  return /^[a-z\d-]+$/.test(region) ? region : undefined;
}

function assertNoContradiction(provider: S3Provider, options: S3StorageOptions): void {
  const { endpoint, accountId, forcePathStyle } = options;
  const profile = S3_PROFILES[provider];
  // Whoever asks for the careful profile gets it, wherever the bucket is.
  const real = provider === 'generic' ? provider : providerOf(endpoint);
  if (endpoint !== undefined && real !== 'generic' && real !== provider) {
    throw new StorageConfigurationError(
      `provider "${provider}" contradicts the endpoint, which is one of "${real}": leave one of them out`,
    );
  }
  if (accountId !== undefined && endpoint !== undefined) {
    throw new StorageConfigurationError(
      'accountId contradicts endpoint, which is complete without it: leave one of them out',
    );
  }
  if (accountId !== undefined && profile.account === undefined) {
    const providers = Object.entries(S3_PROFILES).filter(([, { account }]) => account);
    throw new StorageConfigurationError(
      `accountId is for provider ${providers.map(([name]) => `"${name}"`).join(' or ')}; "${provider}" has none`,
    );
  }
  if (forcePathStyle && profile.addressing === 'virtual-host-only') {
    throw new StorageConfigurationError(
      `forcePathStyle must be left out: provider "${provider}" takes buckets as hosts only`,
    );
  }
}

/** The endpoint of the profile with the options filled in. */
function fillIn(provider: S3Provider, options: S3StorageOptions): string | undefined {
  const { endpoint: template, account } = S3_PROFILES[provider];
  if (provider === 'aws') return undefined;
  if (template === undefined) {
    throw new StorageConfigurationError(
      `endpoint is missing: set it to the URL of the service, since provider "${provider}" has no address of its own`,
    );
  }
  return template.replace(/\{(region|accountId)\}/g, (_, name: 'region' | 'accountId') => {
    const value = options[name];
    if (value !== undefined) return value;
    const meaning = name === 'region' ? 'the region of the bucket' : account;
    throw new StorageConfigurationError(
      `${name} is missing: set it to ${meaning}, which is part of the endpoint ${template}`,
    );
  });
}
