// Who is at the other end of a client's connection: its address, whether its word on others counts, and what replicas are
// told of it. One object per connection, which outlives every Client that the connection gets (a Client ends when the
// connection changes its lane), so what a stage of the connection found out, and what the settings say, is not asked again
// per request. The stages fill it in, before the first request is read: TLS sets `scheme` and `fields`.

import type { Config } from '../config/fields.ts';
import type { Address } from '../core/address.ts';
import { type IpRange, isWithin, parseRanges } from '../core/ip-ranges.ts';
import { trimOws } from '../core/ows.ts';
import type { Sender } from '../exchange/headers.ts';

/** What settings say of all peers; made once per worker, and all peers read it here, also after a reload. */
export class PeerRules {
  trusted: readonly IpRange[] = [];
  passesUnderscores = false;

  constructor(config: Pick<Config, 'trustedProxies' | 'underscoreFields'>) {
    this.configure(config);
  }

  configure({ trustedProxies, underscoreFields }: Pick<Config, 'trustedProxies' | 'underscoreFields'>): void {
    this.trusted = parseRanges(trustedProxies);
    this.passesUnderscores = underscoreFields === 'pass';
  }
}

export class Peer implements Sender {
  readonly rules: PeerRules;
  /** Where it came in, and when. */
  readonly at: Address;
  readonly acceptedMs: number;
  /** An IPv4 address that came through an IPv6 socket is written as IPv4. */
  ip = '';
  trusted = false;
  scheme: 'http' | 'https' = 'http';
  fields = '';
  /** What it is counted as (limits.ts), or ''. */
  countedAs = '';

  constructor(rules: PeerRules, at: Address, address: string, nowMs: number) {
    this.rules = rules;
    this.at = at;
    this.acceptedMs = nowMs;
    this.hasAddress(address);
  }

  hasAddress(address: string): void {
    this.ip = address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
    this.judge();
  }

  /** By the rules of now. */
  judge(): void {
    this.trusted = isWithin(this.ip, this.rules.trusted);
  }

  /** Who asks: the last hop of X-Forwarded-For that is no trusted proxy, where the peer is one. */
  addressOf(rawHeaders: readonly string[]): string {
    const hops: string[] = [];
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index]!;
      if (name.length === 15 && name.toLowerCase() === 'x-forwarded-for')
        hops.push(...rawHeaders[index + 1]!.split(','));
    }
    for (let index = hops.length - 1; index >= 0; index--) {
      const hop = trimOws(hops[index]!);
      if (!isWithin(hop, this.rules.trusted)) return hop === '' ? this.ip : hop;
    }
    return this.ip;
  }
}
