// A worker process's side of the channel: takes the primary's messages, hands in counters and hints, and serves. It
// waits for its first snapshot before it listens. Signals of the terminal's process group are not for it: the primary
// alone decides when a worker drains. When the primary is gone, node:cluster ends the worker.

import cluster from 'node:cluster';
import { addressesOf } from '../config/addresses.ts';
import type { Config } from '../config/fields.ts';
import { systemClock } from '../core/clock.ts';
import type { ProcessLog } from '../core/log.ts';
import type { ToPrimary, ToWorker } from '../core/messages.ts';
import { createProxy } from '../front/data-plane.ts';
import { Counters, type CountersDelta } from '../routing/counters.ts';
import { HotKeys } from '../routing/hot-keys.ts';
import { SnapshotHolder } from '../routing/snapshot.ts';
import { publicFault } from './listen.ts';
import { AdminRelay } from './relay.ts';
import { atBirth } from './socket-file.ts';

export async function runWorker(config: Config, processLog: ProcessLog): Promise<void> {
  const { log } = processLog;
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  process.on('SIGHUP', () => {});
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
    worker: cluster.worker?.id ?? 0,
  });
  const configure = (next: Config): void => {
    const counts = next.hotKeys !== 'off';
    if (counts !== (counters.hotKeys !== null))
      counters.hotKeys = counts ? new HotKeys(systemClock.nowMs()) : null;
    processLog.setLevel(next.log);
    relay.bodyTimeoutMs = next.headerTimeoutMs;
    proxy.configure(next);
    snapshots.configure(next);
  };
  const firstSnapshot = new Promise<void>(resolve => {
    process.on('message', (message: ToWorker) => {
      switch (message.type) {
        case 'publish':
          if (message.settings !== null) configure(message.settings as Config);
          snapshots.apply(message.snapshot);
          send({ type: 'applied', epoch: snapshots.current.epoch, checksum: snapshots.current.checksum });
          resolve();
          return;
        case 'tls':
          proxy.tls.use(message.material);
          return;
        case 'ticket-keys':
          proxy.tls.useTicketKeys(message.keys);
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
          relay.close();
          void proxy.drain(message.graceMs).then(() => process.exit(0));
          return;
        default:
          relay.onMessage(message);
      }
    });
  });
  await firstSnapshot;
  for (const address of addressesOf(config))
    try {
      await proxy.listen(atBirth(address));
    } catch (error) {
      send({ type: 'listen-failed', message: publicFault(address, error) });
      return;
    }
  send({ type: 'listening' });
}
