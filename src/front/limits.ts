// How many connections a worker takes, in all and from one client. Beyond either bound a connection is dropped at once,
// counted, and told once a minute with its number: a line per refusal would be the flood's second half.
//
// One client is one IPv4 address or one /64 of IPv6, which is the least that a single customer has. A trusted proxy is
// no client but many, so it is not counted. The table holds only those that have a connection now: it is never larger
// than the number of connections.

import ipaddr from 'ipaddr.js';
import type { Config } from '../config/fields.ts';
import type { Log } from '../core/log.ts';
import { emptyTally, REFUSALS, type RefusalReason, type Tally, take } from '../routing/tally.ts';

const TELL_EVERY_MS = 60_000;

export class ConnectionLimits {
  #total: number;
  #perClient: number;
  #handshakes: number;
  readonly #log: Log;
  /** The worker's counters, and since the last line. */
  readonly #refused: Tally<RefusalReason>;
  readonly #untold = emptyTally(REFUSALS);
  /** The latest client that had its most. */
  #lastClient = '';
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #connections = 0;
  readonly #open = new Map<string, number>();

  constructor(config: Config, refused: Tally<RefusalReason>, log: Log) {
    this.#total = config.maxConnections;
    this.#perClient = config.maxConnectionsPerClient;
    this.#handshakes = config.maxHandshakes;
    this.#refused = refused;
    this.#log = log;
  }

  /** Connections that are there stay, and count if they were counted when they came. */
  configure({ maxConnections, maxConnectionsPerClient, maxHandshakes }: Config): void {
    this.#total = maxConnections;
    this.#handshakes = maxHandshakes;
    this.#perClient = maxConnectionsPerClient;
  }

  /** What the client is counted as; '' where nothing is counted. */
  clientOf(ip: string, isTrusted: boolean): string {
    return this.#perClient === 0 || isTrusted ? '' : clientOf(ip);
  }

  /** May there be one more? Each `true` needs its `leave`. */
  enter(): boolean {
    if (this.#connections < this.#total) {
      this.#connections++;
      return true;
    }
    this.refuse('total');
    return false;
  }

  /** May `client` have one more of those that are in? The connection's `leave` names it then. */
  enterClient(client: string): boolean {
    if (client === '') return true;
    const open = this.#open.get(client) ?? 0;
    if (open >= this.#perClient) {
      this.#lastClient = client;
      this.refuse('client');
      return false;
    }
    this.#open.set(client, open + 1);
    return true;
  }

  /** `client`: as in its `enterClient`; '' where that was refused, or never asked. */
  leave(client: string): void {
    this.#connections--;
    if (client === '') return;
    const open = this.#open.get(client)!;
    if (open > 1) this.#open.set(client, open - 1);
    else this.#open.delete(client);
  }

  refuse(reason: RefusalReason): void {
    this.#refused[reason]++;
    this.#untold[reason]++;
  }

  /** Tells what was refused since the last line, the first time at once. */
  sweep(nowMs: number): void {
    if (nowMs - this.#toldAtMs < TELL_EVERY_MS) return;
    const { total, client, handshakes } = this.#untold;
    if (total + client + handshakes === 0) return;
    this.#toldAtMs = nowMs;
    take(this.#untold);
    if (total > 0)
      this.#log.warn(
        { refused: total, limit: this.#total },
        `${total} connections refused: the worker has its most (TORC_MAX_CONNECTIONS)`,
      );
    if (handshakes > 0)
      this.#log.warn(
        { refused: handshakes, limit: this.#handshakes },
        `${handshakes} connections dropped in their handshake: the worker has its most of those (TORC_MAX_HANDSHAKES)`,
      );
    if (client > 0)
      this.#log.warn(
        { refused: client, limit: this.#perClient, client: this.#lastClient },
        `${client} connections refused: their client has its most (TORC_MAX_CONNECTIONS_PER_CLIENT); the latest was ${this.#lastClient}`,
      );
  }
}

/** An IPv4 address as it is, an IPv6 address as its /64; '' for what is neither. */
export function clientOf(ip: string): string {
  if (!ip.includes(':')) return ip;
  if (!ipaddr.IPv6.isValid(ip)) return '';
  const [a, b, c, d] = ipaddr.IPv6.parse(ip).parts;
  return `${[a, b, c, d].map(part => part!.toString(16)).join(':')}::/64`;
}
