// A worker process's side of the channel: takes the primary's messages, hands in counters and hints, and serves. It has its
// first snapshot before it gets a socket to listen on. Signals of the terminal's process group are not for it: the primary
// alone decides when a worker drains. When the primary is gone, the worker serves on by its last snapshot (TORC_OUTLIVE_MS), until a
// new torc has workers of its own and asks it to end (src/orphans.ts).

import type { Server } from 'node:net';
import type { Config } from '../config/fields.ts';
import type { Address } from '../core/address.ts';
import { systemClock } from '../core/clock.ts';
import type { ProcessLog } from '../core/log.ts';
import type { ToPrimary, ToWorker } from '../core/messages.ts';
import { createProxy } from '../front/data-plane.ts';
import { Counters, type CountersDelta } from '../routing/counters.ts';
import { HotKeys } from '../routing/hot-keys.ts';
import { SnapshotHolder } from '../routing/snapshot.ts';
import { publicFault } from './listen.ts';
import { AdminRelay } from './relay.ts';
import { placeOf } from './sockets.ts';
import { type Offered, offerSockets } from './sockets-on-the-way.ts';

export async function runWorker(id: number, config: Config, processLog: ProcessLog): Promise<void> {
  const { log } = processLog;
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  process.on('SIGHUP', () => {});
  // Its other end is the primary's.
  process.stderr.on('error', () => {});
  process.on('error', () => {});
  const send = (message: ToPrimary<CountersDelta>): void => {
    if (process.connected) process.send?.(message);
  };
  const counters = new Counters(config.hotKeys === 'off' ? null : new HotKeys(systemClock.nowMs()));
  const collected = (what: 'counts' | 'keys' | 'hot keys'): CountersDelta =>
    counters.collect(what === 'keys', what === 'hot keys' ? systemClock.nowMs() : null);
  const snapshots = new SnapshotHolder(config, log);
  const relay = new AdminRelay({ send, clock: systemClock, bodyTimeoutMs: config.headerTimeoutMs, log });
  const proxy = createProxy({
    config,
    snapshots,
    counters,
    admin: relay,
    suspect: hint => send({ type: 'suspect', hint }),
    log,
    access: processLog.access,
    worker: id,
  });
  const configure = (next: Config): void => {
    const counts = next.hotKeys !== 'off';
    if (counts !== (counters.hotKeys !== null))
      counters.hotKeys = counts ? new HotKeys(systemClock.nowMs()) : null;
    processLog.setLevel(next.log);
    relay.bodyTimeoutMs = next.headerTimeoutMs;
    drainTimeoutMs = next.drainTimeoutMs;
    proxy.configure(next);
    snapshots.configure(next);
  };
  /** By socket: what ends it. */
  const listening = new Map<number, Promise<() => void>>();
  /** The same, as a torc gets it that is started when the primary has died. */
  const offered = new Map<number, Offered>();
  const listen = async (socket: number, address: Address, handle: object): Promise<void> => {
    try {
      const end = proxy.listen(address, handle);
      listening.set(socket, end);
      await end;
      offered.set(socket, { place: placeOf(address), handle });
      send({ type: 'listening', socket });
    } catch (error) {
      send({ type: 'listen-failed', message: publicFault(address, error) });
    }
  };
  /** The last counts are on their way first. */
  const end = (): void => {
    if (!process.connected) process.exit(0);
    const last: ToPrimary<CountersDelta> = { type: 'collected', id: 0, delta: collected('keys') };
    process.send!(last, undefined, undefined, () => process.exit(0));
  };
  let isEnding = false;
  let offer: Server | null = null;
  const leave = (graceMs: number, isReplaced = false): void => {
    if (isEnding) return;
    isEnding = true;
    offer?.close();
    relay.close();
    void proxy.drain(graceMs, isReplaced).then(end);
  };
  /** Null while this worker is not to outlive its primary. */
  let offerAt: string | null = null;
  let { drainTimeoutMs } = config;
  const serveAlone = (path: string): void => {
    const seconds = config.outliveMs / 1000;
    log.error({ seconds }, `the primary is gone: serving on by what was known last, at most ${seconds} s`);
    relay.alone();
    offer = offerSockets(path, () => [...offered.values()]).on('error', error =>
      log.warn({ path, error: String(error) }, 'a new torc will have to listen beside this worker'),
    );
    for (const signal of ['SIGUSR2', 'SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => {
        log.info({ signal }, 'asked to end: requests in flight are finished');
        leave(drainTimeoutMs, signal === 'SIGUSR2');
      });
    systemClock.after(config.outliveMs, () => {
      log.error({ seconds }, `no new torc has taken over within ${seconds} s: ending`);
      leave(drainTimeoutMs);
    });
  };
  process.on('SIGUSR2', () => {});
  process.on('disconnect', () => {
    if (isEnding) return;
    // Of a successor that never was torc: what it has accepted is its predecessor's, who serves on.
    if (offerAt === null) leave(drainTimeoutMs);
    else if (config.outliveMs > 0) serveAlone(offerAt);
    else process.exit(0);
  });
  process.on('message', (message: ToWorker, handle: unknown) => {
    switch (message.type) {
      case 'listen':
        void listen(message.socket, message.address, handle as object);
        return;
      case 'leave':
        void listening.get(message.socket)?.then(end => end());
        listening.delete(message.socket);
        offered.delete(message.socket);
        return;
      case 'publish':
        if (message.settings !== null) configure(message.settings as Config);
        snapshots.apply(message.snapshot);
        send({ type: 'applied', epoch: snapshots.current.epoch, checksum: snapshots.current.checksum });
        return;
      case 'tls':
        proxy.tls.use(message.material);
        return;
      case 'ticket-keys':
        proxy.tls.useTicketKeys(message.keys);
        return;
      case 'outlive':
        offerAt = message.offerAt;
        return;
      case 'alive?':
        send({ type: 'alive' });
        return;
      case 'collect':
        counters.logDropped += processLog.takeDropped();
        send({ type: 'collected', id: message.id, delta: collected(message.with) });
        return;
      case 'drain-upstream':
        snapshots.drained(message.replicaId, () => send({ type: 'upstream-drained', id: message.id }));
        return;
      case 'signs?':
        send({ type: 'signs', id: message.id, signs: snapshots.signs(message.replicaId) });
        return;
      case 'shutdown':
        leave(message.graceMs, message.isReplaced);
        return;
      default:
        relay.onMessage(message);
    }
  });
}
