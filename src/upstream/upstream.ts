// The data plane's handle on one replica: how many requests it has now, what it does wrong, and how it is left. How
// requests get to it is a Transport's, HTTP/1.1 (http1-pool.ts) or HTTP/2 (http2-pool.ts). It outlives
// its place in the snapshot: a replica that left routing keeps its upstream until its last request ended (`retire`).
// Bounds: `maxConnections` requests at work, `maxQueue` waiting; what is beyond is refused at once, because a queue
// that grows faster than it drains only turns one slow replica into slow everything.

import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import type { ProxyErrorCode } from '../core/errors.ts';
import type { SuspectHint, UpstreamSpec, VitalSigns } from '../core/types.ts';
import type { Attempt } from './attempt.ts';
import { Http1Pool } from './http1-pool.ts';
import { Http2Pool } from './http2-pool.ts';
import type { Target } from './replica-socket.ts';
import { TlsClient } from './tls-client.ts';
import { isSameTransport, type Transport, type UpstreamSettings } from './transport.ts';

/** Long enough for what a replica sent before its end, and for a machine that is busy with replacing it. */
const LAST_BYTES_MS = 100;

const SUSPECT_INTERVAL_MS = 1000;
/** Of a failure: a slow page says less of its replica than a refused connection. */
const SLOW_WEIGHT = 0.5;

export class Upstream implements Target {
  readonly slotId: number;
  readonly slot: string;
  readonly replicaId: string;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsClient | null;
  /** Requests and tunnels it has now, of this worker. */
  inFlight = 0;
  /** It left routing before anything was wrong with it: what it closes from then on, it closes in order. */
  isLeaving = false;
  /** Failures since the last whole answer, slow ones at their weight. */
  #failuresInRow = 0;
  /** When the control plane was last told that it misbehaves. */
  #suspectedAtMs = Number.NEGATIVE_INFINITY;
  readonly #clock: Clock;
  #transport: Transport;
  /** By settings of before, with what they had under way. */
  #older: readonly Transport[] = [];
  #olderReads = 0;
  #answers = 0;
  /** The replica's ends of tunnels, and how much came when they were last looked at. */
  readonly #tunnels = new Map<Socket, number>();
  /** Of tunnels that are over. */
  #tunnelBytes = 0;
  #settings: UpstreamSettings;
  #retiring = false;
  #isCut = false;
  #waiting: (() => void)[] = [];

  constructor(spec: UpstreamSpec, settings: UpstreamSettings, clock: Clock) {
    this.slotId = spec.slotId;
    this.slot = spec.slot;
    this.replicaId = spec.replicaId;
    this.host = spec.host;
    this.port = spec.port;
    this.tls = spec.tls ? new TlsClient(spec.tls, clock) : null;
    this.#settings = settings;
    this.#clock = clock;
    this.#transport = this.#transportBy(settings);
  }

  /** A reload: what is under way goes on over the connections of before, which close behind it. */
  configure(settings: UpstreamSettings): void {
    const isSame = isSameTransport(settings, this.#settings);
    this.#settings = settings;
    if (isSame || this.#retiring) return;
    this.#older = [...this.#older, this.#transport];
    this.#transport.close();
    this.#transport = this.#transportBy(settings);
    if (this.inFlight === 0) this.#forgetOlder();
  }

  #transportBy(settings: UpstreamSettings): Transport {
    const Pool = settings.replicaProtocol === 'h2c' ? Http2Pool : Http1Pool;
    return new Pool(this, settings, this.#clock);
  }

  #forgetOlder(): void {
    for (const { reads } of this.#older) this.#olderReads += reads;
    this.#older = [];
  }

  get full(): boolean {
    const { maxConnectionsPerReplica, maxQueue } = this.#settings;
    return this.inFlight >= maxConnectionsPerReplica + maxQueue;
  }

  /** The attempt counts as in flight until `end`. */
  dispatch(attempt: Attempt): void {
    this.inFlight++;
    this.#transport.dispatch(attempt, this.inFlight);
  }

  /** An answer was complete at `nowMs`, so long after its request came. */
  took(ms: number, nowMs: number): void {
    this.#answers++;
    this.#failuresInRow = 0;
    this.#transport.took(ms, nowMs);
  }

  /** A request failed. A hint for the control plane; null where one was given within the second, which is as good as a thousand. */
  suspect(code: ProxyErrorCode, detail: string, nowMs: number): SuspectHint | null {
    const cause = causeOf(code);
    this.#failuresInRow += cause === 'timeout' ? SLOW_WEIGHT : 1;
    if (nowMs - this.#suspectedAtMs < SUSPECT_INTERVAL_MS) return null;
    this.#suspectedAtMs = nowMs;
    return { slot: this.slot, replicaId: this.replicaId, cause, detail, inRow: this.#failuresInRow };
  }

  /** The attempt became a tunnel. */
  carry(socket: Socket): void {
    this.#tunnels.set(socket, -1);
    socket.once('close', () => {
      this.#tunnelBytes += socket.bytesRead;
      this.#tunnels.delete(socket);
    });
  }

  /** What came from the replica so far. Bytes of tunnels count as reads: only more or not is of interest. */
  signs(): VitalSigns {
    let reads = this.#tunnelBytes + this.#olderReads + this.#transport.reads;
    for (const older of this.#older) reads += older.reads;
    for (const socket of this.#tunnels.keys()) reads += socket.bytesRead;
    return { reads, answers: this.#answers };
  }

  /** An attempt or its tunnel is over; each `dispatch` has exactly one. */
  end(): void {
    this.inFlight--;
    if (this.inFlight > 0) return;
    if (this.#older.length > 0) this.#forgetOlder();
    if (!this.#retiring) return;
    this.#transport.close();
    this.#tellDrained();
  }

  /** Out of routing: lives on until the last request ended. `isTold`: somebody has it stop. */
  retire(isTold = true): void {
    if (this.#retiring) return;
    this.#retiring = true;
    this.isLeaving = isTold;
    if (this.inFlight > 0) return;
    this.#transport.close();
    this.#tellDrained();
  }

  /** The replica is dead or hangs: what waits for its answer goes to its next choice now, if it may be sent again. */
  destroy(): void {
    this.#retiring = true;
    this.#transport.destroy();
    for (const older of this.#older) older.destroy();
    if (this.inFlight === 0) this.#tellDrained();
  }

  /**
   * The replica has ended for certain, but its connections need not have: nobody closes those of a container that lost its
   * network. What it sent before its end is still read; then whoever waits there waits in vain.
   */
  cut(): void {
    this.destroy();
    if (this.#isCut) return;
    this.#isCut = true;
    this.#endSilent();
  }

  /** Again until none is left. The poll between timer and immediate reads what was there already when we were late. */
  #endSilent(): void {
    let left = this.#transport.endIfSilent();
    for (const older of this.#older) left += older.endIfSilent();
    for (const [socket, bytesRead] of this.#tunnels) {
      if (socket.bytesRead === bytesRead && !socket.isPaused()) socket.destroy();
      else left++;
      this.#tunnels.set(socket, socket.bytesRead);
    }
    if (left > 0) this.#clock.after(LAST_BYTES_MS, () => setImmediate(() => this.#endSilent()));
  }

  /**
   * Calls back once when it is out of routing and nothing is in flight. One that is still routed to may be idle this moment and
   * asked in the next: the word that it is to leave may come before the snapshot that it left.
   */
  whenDrained(callback: () => void): void {
    if (this.inFlight === 0 && this.#retiring) callback();
    else this.#waiting.push(callback);
  }

  #tellDrained(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback();
  }
}

/** What the pool calls it; it connects nowhere. */
function causeOf(code: ProxyErrorCode): SuspectHint['cause'] {
  if (code === 'REFUSED' || code === 'TLS_FAILED') return 'refused';
  if (code === 'RESET') return 'reset';
  return code === 'BAD_RESPONSE' ? 'error' : 'timeout';
}
