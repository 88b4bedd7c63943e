import { BlockList, isIP } from 'node:net';
import { StorageConfigurationError } from '../../core/errors.js';

/** Where clouds tell their machines secrets, by name. */
const METADATA_NAMES = new Set([
  'metadata.google.internal',
  'metadata.goog',
  'metadata',
  'instance-data',
]);

const METADATA_ADDRESSES = new BlockList();
METADATA_ADDRESSES.addSubnet('169.254.0.0', 16);
METADATA_ADDRESSES.addSubnet('fe80::', 10, 'ipv6');
METADATA_ADDRESSES.addAddress('fd00:ec2::254', 'ipv6');
METADATA_ADDRESSES.addAddress('fd20:ce::254', 'ipv6');
METADATA_ADDRESSES.addAddress('100.100.100.200');
METADATA_ADDRESSES.addAddress('168.63.129.16');

/** Addresses of this machine and of networks that no stranger is on: RFC 1122 §3.2.1.3, RFC 1918, RFC 4193. */
const PRIVATE_ADDRESSES = new BlockList();
PRIVATE_ADDRESSES.addSubnet('127.0.0.0', 8);
PRIVATE_ADDRESSES.addSubnet('10.0.0.0', 8);
PRIVATE_ADDRESSES.addSubnet('172.16.0.0', 12);
PRIVATE_ADDRESSES.addSubnet('192.168.0.0', 16);
PRIVATE_ADDRESSES.addAddress('::1', 'ipv6');
PRIVATE_ADDRESSES.addSubnet('fc00::', 7, 'ipv6');

/**
 * Names that the internet has not: those without a dot, such as a container's, and those below the domains that are kept for
 * private networks (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`) or that Kubernetes gives.
 */
const PRIVATE_NAME = /^[^.]+$|\.(?:localhost|local|internal|test|home\.arpa|svc)$/;

/**
 * Refuses an address that no storage service may have: an endpoint is configuration, but it may come from a tenant's form. Names
 * are judged as they are written, and not looked up.
 *
 * @param option the name of the option, for messages
 * @param allowInsecure whether plain `http` may lead out of the private network
 * @throws StorageConfigurationError that does not show the address: there may be a secret in it
 */
export function assertEndpoint(option: string, endpoint: string, allowInsecure = false): URL {
  const url =
    typeof endpoint === 'string' && URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new StorageConfigurationError(
      `${option} must be an http or https URL such as "https://storage.example.com"`,
    );
  }
  if (url.username || url.password) {
    throw new StorageConfigurationError(
      `${option} must not hold credentials: they have options of their own, such as accessKeyId, credentials and sasToken`,
    );
  }
  const host = hostOf(url);
  if (isAddressIn(METADATA_ADDRESSES, host) || METADATA_NAMES.has(host)) {
    throw new StorageConfigurationError(
      `${option} is a link-local or metadata address, which no storage service has`,
    );
  }
  if (url.protocol === 'http:' && !allowInsecure && !isPrivate(host)) {
    throw new StorageConfigurationError(
      `${option} must be an https URL: over plain http anybody on the way can read and change the files; ` +
        'set allowInsecureEndpoint: true to accept that',
    );
  }
  return url;
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

function isPrivate(host: string): boolean {
  return isIP(host) === 0 ? PRIVATE_NAME.test(host) : isAddressIn(PRIVATE_ADDRESSES, host);
}

/** IPv4 addresses within IPv6 are compared as what they are. */
function isAddressIn(addresses: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && addresses.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
