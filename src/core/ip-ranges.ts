// Ranges of addresses in CIDR notation, as settings have them, and whether an address is within one. An IPv4 address that
// came through an IPv6 socket (::ffff:10.0.0.1) counts as what it is. Who comes through a unix socket has no address, so a
// list of peers names those by a word.

import { isIP } from 'node:net';
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

/**
 * The network of an address, as `10.1.2.0/24`: up to 32 bits are IPv4's, more are IPv6's. '' where it is of the other family,
 * or no address.
 */
export function networkOf(ip: string, bits: number): string {
  if (isIP(ip) === 0) return '';
  const address = ipaddr.process(ip);
  if ((address.kind() === 'ipv4') !== bits <= 32) return '';
  const bytes = address
    .toByteArray()
    .map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * index))));
  return `${ipaddr.fromByteArray(bytes)}/${bits}`;
}

/** In a list of peers: whoever connects to a unix socket. */
export const UNIX = 'unix';

export interface Peers {
  readonly ranges: readonly IpRange[];
  readonly unix: boolean;
}

export const parsePeers = (list: readonly string[]): Peers => ({
  ranges: parseRanges(list.filter(item => item !== UNIX)),
  unix: list.includes(UNIX),
});

export const isAmong = (address: string, isUnix: boolean, { ranges, unix }: Peers): boolean =>
  isUnix ? unix : isWithin(address, ranges);
