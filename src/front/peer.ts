// Who is at the other end of a client's connection: its address, whether its word on others counts, and what replicas are
// told of it. One object per connection, which outlives every Client that the connection gets (a Client ends when the
// connection changes its lane), so what a stage of the connection found out, and what the settings say, is not asked again
// per request. The stages fill it in, before the first request is read: TLS sets `scheme` and `fields`.

import type { Config } from '../config/fields.ts';
import type { Address } from '../core/address.ts';
import { isSocketPath } from '../core/host-port.ts';
import { isAmong, type Peers, parsePeers } from '../core/ip-ranges.ts';
import {
  clientOf,
  type ForwardedStyle,
  type HeadRules,
  type Hop,
  hopsOf,
  joined,
  type Sender,
} from '../exchange/forwarded.ts';

type Settings = Pick<
  Config,
  'trustedProxies' | 'proxyProtocol' | 'underscoreFields' | 'forwarded' | 'requestId'
>;

/** What settings say of all peers; made once per worker, and all peers read it here, also after a reload. */
export class PeerRules implements HeadRules {
  passesUnderscores = false;
  forwarded: ForwardedStyle = 'x';
  readonly requestId: string;
  #proxies: Peers = parsePeers([]);
  #trusted: Peers = parsePeers([]);

  constructor(config: Settings) {
    this.requestId = config.requestId === 'off' ? '' : config.requestId.toLowerCase();
    this.configure(config);
  }

  configure({ trustedProxies, proxyProtocol, underscoreFields, forwarded }: Settings): void {
    this.#trusted = parsePeers(trustedProxies);
    this.#proxies = parsePeers(proxyProtocol);
    this.passesUnderscores = underscoreFields === 'pass';
    this.forwarded = forwarded;
  }

  isTrusted(address: string, isUnix = false): boolean {
    return isAmong(address, isUnix, this.#trusted);
  }

  /** Its connections begin with a PROXY header. */
  isProxy(address: string, isUnix: boolean): boolean {
    return isAmong(address, isUnix, this.#proxies);
  }
}

export class Peer implements Sender {
  readonly rules: PeerRules;
  /** Where it came in, and when. */
  readonly at: Address;
  readonly acceptedMs: number;
  /** An IPv4 address that came through an IPv6 socket is written as IPv4; '' of a unix socket. */
  ip = '';
  /** Somebody between said who it is (PROXY protocol), or that it is somebody between. */
  isTold = false;
  trusted = false;
  scheme: 'http' | 'https' = 'http';
  fields = '';
  /** What it speaks, where TLS told (ALPN); '' where it has to be seen. */
  protocol = '';
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

  get isProxy(): boolean {
    return this.rules.isProxy(this.ip, this.#isUnix);
  }

  /** It told whose connection this is; '' for its own. */
  speaksFor(address: string): void {
    this.isTold = true;
    if (address !== '') this.hasAddress(address);
  }

  get #isUnix(): boolean {
    return this.ip === '' && isSocketPath(this.at.host);
  }

  /** By the rules of now. */
  judge(): void {
    this.trusted = this.rules.isTrusted(this.ip, this.#isUnix);
  }

  /** Who asks: the last hop that is no trusted proxy, where the peer is one. */
  addressOf(rawHeaders: readonly string[]): string {
    return this.#clientOf(rawHeaders)?.address || this.ip;
  }

  /** Whether the client, not the peer, asked by https: what replicas are told in X-Forwarded-Proto. */
  isSecure(rawHeaders: readonly string[]): boolean {
    const told = this.trusted ? linesOf('x-forwarded-proto', rawHeaders) : '';
    const proto = told || (this.trusted && this.#clientOf(rawHeaders)?.proto) || this.scheme;
    // Of a list the first is the client's.
    return /^[ \t]*https[ \t]*(?:,|$)/i.test(proto);
  }

  #clientOf(rawHeaders: readonly string[]): Hop | null {
    const hops = hopsOf(linesOf('x-forwarded-for', rawHeaders), linesOf('forwarded', rawHeaders));
    return clientOf(hops, this.rules);
  }
}

/** All of a field's lines, as one. */
function linesOf(lowerName: string, rawHeaders: readonly string[]): string {
  let all = '';
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.length === lowerName.length && name.toLowerCase() === lowerName)
      all = joined(all, rawHeaders[index + 1]!);
  }
  return all;
}
