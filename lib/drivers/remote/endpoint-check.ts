import { BlockList, isIP } from 'node:net';

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

/**
 * Whether the URL leads to the machine's own secrets: an endpoint is configuration, but it may come from a tenant's form.
 * Names that others have for such an address are not looked up.
 */
export function isMetadataHost({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const family = isIP(host);
  if (family === 0) return METADATA_NAMES.has(host);
  // IPv4 addresses within IPv6 are compared as what they are.
  return METADATA_ADDRESSES.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
