// The data plane's front: hands the connections of the listener to the doors, sweeps deadlines, and drains. What is said on a
// connection is the doors' business, and how it got here the listener's.
//
// Draining loses no accepted request: accepting stops first; then whatever is on the wire of a kept-alive connection is
// still served (with `connection: close`) during a short lame-duck time, because a client cannot know that the
// connection it just used is about to close; then idle connections go; streams and tunnels have the grace.

import { Socket } from 'node:net';
import type { Config } from '../config/fields.ts';
import type { Address } from '../core/address.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { seededRandom, systemRandom } from '../core/random.ts';
import type { SuspectHint } from '../core/types.ts';
import { bytesSent, unwritten } from '../core/write-text.ts';
import { RetryBudget } from '../exchange/attempt.ts';
import { FaultLog } from '../exchange/fault-log.ts';
import { OwnSlotQueues } from '../exchange/own-slot.ts';
import { RequestIds } from '../exchange/request-id.ts';
import type { Shared } from '../exchange/shared.ts';
import { Tunnels } from '../exchange/tunnel.ts';
import type { Counters } from '../routing/counters.ts';
import { Lending } from '../routing/lending.ts';
import type { SnapshotHolder } from '../routing/snapshot.ts';
import { Client, type ClientSocket } from './client.ts';
import type { AdminGateway } from './control.ts';
import { Express, type ExpressDoor } from './express.ts';
import { Http1Door } from './http1.ts';
import { Http2Door } from './http2/door.ts';
import { release } from './lane.ts';
import { ConnectionLimits } from './limits.ts';
import { Listener, type ListeningOn } from './listener.ts';
import { partingSteps, STEP_MS } from './parting.ts';
import type { Peer } from './peer.ts';
import { judge, Preface, type Verdict } from './preface.ts';
import type { TlsStage } from './tls.ts';
import { tellClosed } from './wire.ts';

const LAME_DUCK_MS = 500;
/** Where another torc serves nobody waits for this one's end: a client that is slow to ask again is told by its next answer. */
const REPLACED_LAME_DUCK_MS = 5_000;
const DRAIN_POLL_MS = 20;
const QUIET_TURN_MS = 0.1;
const MOST_TURNS = 500;
/**
 * A client that closed its half may wait for its answer or may be gone: TCP tells the two apart only when something is
 * written, and then at the second write. So it is sent interim answers, two at first and then ever fewer. Where there is
 * none to send, it counts as gone after twice this time without a byte (HAProxy: never, nginx: at once).
 */
const HALF_CLOSED_MS = 500;
/** The first two, so that a replica that works on what nobody waits for is free at once; a quick answer comes before them. */
const SOON_MS = 15;

/**
 * A sweep that is later than this says that the worker itself did nothing (no CPU, a suspended machine): what came meanwhile is
 * unread, and what is begun before the next sweep counts from the last one. Deadlines of requests move on by that time.
 */
const STALL_MS = 100;

/** A connection without a request for so long keeps nothing of the last one. */
const RESTING_MS = 2_000;

const NOTHING = Buffer.alloc(0);

/** As ALPN names them. */
const WITHOUT_HTTP2 = ['http/1.1', 'http/1.0'];
const WITH_HTTP2 = ['h2', ...WITHOUT_HTTP2];

export interface ProxyOptions {
  readonly config: Config;
  readonly snapshots: SnapshotHolder;
  readonly counters: Counters;
  readonly admin: AdminGateway;
  readonly suspect: (hint: SuspectHint) => void;
  readonly log: Log;
  /** Takes the lines of the access log, which no level holds back; else `log` has them. */
  readonly access?: Log['info'];
  /** Which worker this is, for the ids of requests. */
  readonly worker?: number;
}

export interface DataPlane {
  /** For each listening socket on its own; what it resolves with ends that one. */
  listen(address: Address, on: ListeningOn): Promise<() => void>;
  readonly tls: Pick<TlsStage, 'use' | 'useTicketKeys'>;
  /** Other settings, from the next request on; those under way keep theirs. */
  configure(config: Config): void;
  /** Resolves when every connection is closed, at the latest after the grace. `isReplaced`: its clients have somewhere to go. */
  drain(graceMs: number, isReplaced?: boolean): Promise<void>;
}

export const createProxy = (options: ProxyOptions): DataPlane => new ProxyServer(options, systemClock);

class ProxyServer implements DataPlane {
  readonly #listener: Listener;
  readonly #http1: Http1Door;
  readonly #http2: Http2Door;
  readonly #express: ExpressDoor;
  readonly #shared: Shared;
  readonly #limits: ConnectionLimits;
  readonly #clients = new Set<Client>();
  #sweepMs: number;
  #sweep: NodeJS.Timeout | null = null;

  constructor(options: ProxyOptions, clock: Clock) {
    const { config, snapshots, counters, suspect, log, worker = 0 } = options;
    this.#limits = new ConnectionLimits(config, counters.refused, log);
    this.#shared = {
      config,
      snapshots,
      counters,
      suspect,
      access: options.access ?? ((fields, message) => log.info(fields, message)),
      clock,
      faults: new FaultLog(log),
      tunnels: new Tunnels(),
      ids: new RequestIds(config.requestId === 'off' ? '' : config.requestId, worker, systemRandom),
      random: seededRandom(process.pid ^ clock.wallMs()),
      running: [],
      inFlight: 0,
      held: 0,
      lending: new Lending(config, counters),
      ownSlots: new OwnSlotQueues(),
      retryBudget: new RetryBudget(config.retryBudgetPercent, burstOf(config)),
      draining: false,
      farewells: 0,
      date: '',
      soonMs: 0,
    };
    this.#sweepMs = sweepMsOf(config);
    this.#http1 = new Http1Door(
      this.#shared,
      options.admin,
      client => this.#renew(client),
      client => this.#toExpress(client),
    );
    this.#http2 = new Http2Door(this.#shared, options.admin);
    const toHttp1: ExpressDoor['toHttp1'] = (client, bytes) => this.#leaveRaw(client, bytes);
    this.#express = { shared: this.#shared, toHttp1 };
    this.#listener = new Listener({
      config,
      clock,
      log,
      limits: this.#limits,
      handshakes: counters.handshakes,
      protocols: () => (this.#shared.config.http2 === 'on' ? WITH_HTTP2 : WITHOUT_HTTP2),
      toDoors: (socket, peer) => this.#toDoors(socket, peer),
    });
    this.#sweepDeadlines();
  }

  get tls(): TlsStage {
    return this.#listener.tls;
  }

  listen(address: Address, on: ListeningOn): Promise<() => void> {
    this.#sweep ??= setInterval(() => this.#sweepDeadlines(), this.#sweepMs);
    return this.#listener.listen(address, on);
  }

  configure(config: Config): void {
    this.#shared.config = config;
    this.#shared.retryBudget.configure(config.retryBudgetPercent, burstOf(config));
    this.#shared.lending.configure(config);
    this.#limits.configure(config);
    this.#listener.configure(config);
    this.#http1.configure(config);
    for (const { socket, peer } of this.#clients) {
      peer.judge();
      (socket as ClientSocket).express?.forget();
    }
    this.#sweepMs = sweepMsOf(config);
    if (this.#sweep === null) return;
    clearInterval(this.#sweep);
    this.#sweep = setInterval(() => this.#sweepDeadlines(), this.#sweepMs);
  }

  async drain(graceMs: number, isReplaced = false): Promise<void> {
    const { clock } = this.#shared;
    const deadlineMs = clock.nowMs() + graceMs;
    const told = new Set<Client>();
    if (isReplaced) await this.#part(told, deadlineMs);
    const lameDuckMs = isReplaced ? REPLACED_LAME_DUCK_MS : LAME_DUCK_MS;
    const lameDuckUntilMs = Math.min(clock.nowMs() + lameDuckMs, deadlineMs);
    this.#shared.draining = true;
    this.#shared.farewells = Number.POSITIVE_INFINITY;
    await this.#untilQueueIsEmpty();
    this.#listener.close();
    for (const client of this.#clients) if (!told.has(client)) client.http2?.close();
    while (this.#clients.size + this.#listener.arrivals.size > 0 && clock.nowMs() < deadlineMs) {
      if (clock.nowMs() >= lameDuckUntilMs) {
        this.#listener.arrivals.end();
        this.#http1.server.closeIdleConnections();
        for (const client of this.#clients) {
          client.http2?.close();
          if (client.lingering || client.http2?.isOver || isResting(client)) client.socket.destroy();
        }
      }
      await new Promise<void>(resolve => clock.after(DRAIN_POLL_MS, resolve));
      // Timers come before reads: after a time without CPU, whoever looks idle may have asked meanwhile.
      await new Promise(resolve => setImmediate(resolve));
    }
    this.#listener.arrivals.end();
    for (const client of this.#clients) client.socket.destroy();
    this.#http1.close();
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#shared.faults.sweep(Number.POSITIVE_INFINITY);
    this.#limits.sweep(Number.POSITIVE_INFINITY);
    this.#listener.sweep(Number.POSITIVE_INFINITY);
  }

  /** A torc that has taken over gets the clients little by little. `told`: those of HTTP/2, whose second word is their last. */
  async #part(told: Set<Client>, deadlineMs: number): Promise<void> {
    const { clock } = this.#shared;
    for (const count of partingSteps(this.#clients.size)) {
      if (this.#clients.size === 0 || clock.nowMs() >= deadlineMs) return;
      this.#shared.farewells = count;
      const next = [...this.#clients].filter(client => client.http2 !== null && !told.has(client));
      for (const client of next.slice(0, count)) {
        told.add(client);
        client.http2!.close();
      }
      await new Promise<void>(resolve => clock.after(STEP_MS, resolve));
    }
  }

  /**
   * Where nobody else has a listening socket, the kernel resets what waits in its queue when it is closed. A turn of the loop
   * that took no time and accepted nothing has just looked there.
   */
  async #untilQueueIsEmpty(): Promise<void> {
    const { clock } = this.#shared;
    for (let turn = 0; turn < MOST_TURNS; turn++) {
      const [sinceMs, { accepted }] = [clock.nowMs(), this.#listener];
      await new Promise(resolve => setImmediate(resolve));
      if (this.#listener.accepted === accepted && clock.nowMs() - sinceMs < QUIET_TURN_MS) return;
    }
  }

  /** The last stage of a connection's way: what `socket` gives from here on is the client's own. */
  #toDoors(socket: ClientSocket, peer: Peer): void {
    const client = this.#adopt(socket, peer);
    // What came behind a PROXY header; TLS has read it itself.
    const early: Buffer = peer.isTold && !peer.at.tls ? (socket.read() ?? NOTHING) : NOTHING;
    if (peer.protocol === 'h2') this.#http2.take(client, NOTHING);
    // The raw lane knows of no redirects: it would have to ask for each request.
    else if (this.#shared.config.express === 'off' || peer.at.redirect !== null)
      this.#leaveRaw(client, early);
    else {
      const express = new Express(this.#express, client);
      if (early.length > 0) express.received(early);
    }
  }

  /** `bytes` are more than the raw lane knows, or there is none. */
  #leaveRaw(client: Client, bytes: Buffer): void {
    const take = (verdict: Verdict, read: Buffer): void => {
      if (verdict === 'http2') this.#http2.take(client, read);
      else this.#http1.take(client, read);
    };
    // Behind TLS it would have been asked for there (RFC 9113 section 3.3).
    const mayBeHttp2 =
      this.#shared.config.http2 === 'on' && !client.hasSpoken && client.peer.scheme === 'http';
    const verdict = mayBeHttp2 ? judge(bytes) : 'http1';
    if (verdict === 'more') new Preface(client, bytes, take);
    else take(verdict, bytes);
  }

  #adopt(socket: ClientSocket, peer: Peer): Client {
    const client = new Client(socket, peer, this.#shared.clock.nowMs());
    socket.client = client;
    socket.destroySoon = endSoon;
    this.#clients.add(client);
    // Whoever has it meanwhile (node:http takes its own away with a CONNECT), a reset must not find nobody.
    socket.on('error', destroyed);
    socket.on('end', () => {
      client.http2?.ended();
      this.#onHalfClosed(socket);
    });
    socket.on('close', () => {
      if (this.#clients.delete(client)) this.#listener.left(peer);
      tellClosed(socket);
      client.gone();
    });
    return client;
  }

  /** Another Client for the connection, which keeps its place. */
  #renew(before: Client): Client {
    this.#clients.delete(before);
    return this.#adopt(before.socket, before.peer);
  }

  #toExpress(before: Client): void {
    release(before.socket);
    const client = this.#renew(before);
    client.idleSinceMs = before.idleSinceMs;
    new Express(this.#express, client);
  }

  #onHalfClosed(socket: ClientSocket, waitedMs = 0): void {
    if (socket.destroyed || socket.client!.isTunnel) return;
    const before = bytesSent(socket);
    const waitMs = waitedMs < 2 * SOON_MS ? SOON_MS : Math.max(HALF_CLOSED_MS, waitedMs);
    this.#shared.clock.after(waitMs, () => {
      const client = socket.client!;
      // Over HTTP/2 nobody reads on who closed its half: it could not even acknowledge a window.
      const isHttp2 = client.http2 !== null;
      const isServed = !isHttp2 && (bytesSent(socket) !== before || unwritten(socket) > 0);
      // The answer of a control endpoint may take its time; what it may hold is bounded there.
      if (isServed || client.control !== null) this.#onHalfClosed(socket, 2 * SOON_MS);
      else if ((!isHttp2 && client.running[0]?.exchange.ping() === true) || waitedMs < HALF_CLOSED_MS)
        this.#onHalfClosed(socket, waitedMs + waitMs);
      else if (!client.isTunnel) socket.destroy();
    });
  }

  #sweepDeadlines(): void {
    const { running, clock } = this.#shared;
    const nowMs = clock.nowMs();
    const lateMs = nowMs - this.#shared.soonMs;
    const stalledMs = lateMs > STALL_MS ? lateMs : 0;
    this.#shared.soonMs = nowMs + this.#sweepMs;
    this.#shared.date = new Date(clock.wallMs()).toUTCString();
    // Backwards, because one that expires may leave, and then the last takes its place.
    for (let index = running.length - 1; index >= 0; index--) {
      const exchange = running[index];
      if (exchange === undefined) continue;
      exchange.deadlineMs += stalledMs;
      if (exchange.deadlineMs <= nowMs) exchange.expired();
    }
    this.#shared.snapshots.sweep(nowMs);
    this.#shared.lending.sweep(nowMs);
    this.#shared.counters.hotKeys?.tick(nowMs);
    this.#shared.tunnels.sweep(nowMs);
    this.#shared.faults.sweep(nowMs);
    this.#limits.sweep(nowMs);
    this.#listener.sweep(nowMs);
    const idleSinceMs = nowMs - this.#shared.config.clientIdleTimeoutMs;
    const silentSinceMs = nowMs - this.#shared.config.headerTimeoutMs;
    const restingSinceMs = nowMs - RESTING_MS;
    for (const client of this.#clients) {
      if (client.idleSinceMs < restingSinceMs) (client.socket as ClientSocket).express?.rest();
      if (client.http2 !== null) client.http2.sweep(nowMs, idleSinceMs, silentSinceMs);
      else if (client.isIdle(idleSinceMs, nowMs)) client.socket.destroy();
      // In the other lane node:http looks after them.
      else if (client.isSilent(silentSinceMs) && isResting(client) && !client.refused)
        this.#http1.refuse(client, 'REQUEST_TIMEOUT');
    }
  }
}

/** What one replica can have in flight fails in one moment when it dies. */
const burstOf = ({ maxConnectionsPerReplica, maxQueue }: Config): number =>
  maxConnectionsPerReplica + maxQueue;

/** Late by an eighth of the shortest timeout at most. */
function sweepMsOf(config: Config): number {
  const shortestMs = Math.min(
    config.connectTimeoutMs,
    config.responseTimeoutMs,
    config.idleTimeoutMs,
    config.clientIdleTimeoutMs,
    config.tunnelTimeoutMs,
    config.balanceWaitMs || Number.POSITIVE_INFINITY,
  );
  return Math.min(250, Math.max(5, shortestMs / 8));
}

/** In the raw lane, and nothing is owed or on its way. */
function isResting({ socket }: Client): boolean {
  return (socket as ClientSocket).express?.isIdle === true && unwritten(socket) === 0;
}

function destroyed(this: Socket): void {
  this.destroy();
}

/**
 * Node's way to close behind a last answer. A socket that is closed while its client still sends is reset, and with it
 * goes the answer that the client has not read yet (RFC 9112 section 9.6): then only torc's half is closed, and what
 * comes is dropped until the client closes too or has had an idle connection's time.
 */
function endSoon(this: ClientSocket): void {
  if (this.client!.inStep) {
    // The kernel has all of it, and says the end itself. TLS has a last word of its own.
    if (unwritten(this) === 0 && this.encrypted !== true) this.destroy();
    else Socket.prototype.destroySoon.call(this);
    return;
  }
  this.client!.lingering = true;
  this.end();
}
