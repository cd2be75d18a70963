// Ranges of addresses in CIDR notation, as settings have them, and whether an address is within one. An IPv4 address that
// came through an IPv6 socket (::ffff:10.0.0.1) counts as what it is.

import ipaddr from 'ipaddr.js';

export type IpRange = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Throws where one is no CIDR: settings are checked before. */
export const parseRanges = (cidrs: readonly string[]): readonly IpRange[] =>
  cidrs.map(cidr => ipaddr.parseCIDR(cidr));

/** False for what is no address. */
export function isWithin(ip: string, ranges: readonly IpRange[]): boolean {
  if (ranges.length === 0 || !ipaddr.isValid(ip)) return false;
  const address = ipaddr.process(ip);
  return ranges.some(([range, bits]) => range.kind() === address.kind() && address.match(range, bits));
}
