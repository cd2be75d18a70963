// The ways in which a replica is broken, one row each: what is done to it, and whether a new one has to take its place.
// What a fault is done to is what /admin/slots calls the replica: a pid, a container's short id.

import { join } from 'node:path';
import { docker } from '../../test/support/engine.ts';

export interface Fault {
  readonly driver: 'process' | 'docker';
  readonly name: string;
  readonly strike: (label: string, network: string) => unknown;
  /** The replica itself goes on: its requests are to be saved, and torc need not even eject it. */
  readonly recovers?: boolean;
  readonly settings?: Record<string, string>;
  /** A strike each so often, however the last one went; without it the next waits until all is well. */
  readonly everyMs?: number;
  /** No load: the time alone is measured. */
  readonly idle?: boolean;
}

const signal =
  (name: NodeJS.Signals) =>
  (label: string): boolean =>
    process.kill(Number(label.replace('pid ', '')), name);

const cutting = join(import.meta.dirname, '../../test/support/cutting-replica.ts');

export const faults: readonly Fault[] = [
  { driver: 'process', name: 'kill -9', strike: signal('SIGKILL') },
  { driver: 'process', name: 'kill (SIGTERM)', strike: signal('SIGTERM') },
  { driver: 'process', name: 'kill -STOP', strike: signal('SIGSTOP') },
  {
    driver: 'process',
    name: 'closes its sockets',
    strike: signal('SIGUSR2'),
    recovers: true,
    settings: { TORC_REPLICA_COMMAND: `exec ${process.execPath} ${cutting}` },
  },
  { driver: 'process', name: 'kill -9, one every 2 s', strike: signal('SIGKILL'), everyMs: 2000 },
  { driver: 'process', name: 'kill -9, no load', strike: signal('SIGKILL'), idle: true },
  { driver: 'docker', name: 'docker kill', strike: id => docker.getContainer(id).kill() },
  { driver: 'docker', name: 'docker stop', strike: id => docker.getContainer(id).stop() },
  { driver: 'docker', name: 'docker rm -f', strike: id => docker.getContainer(id).remove({ force: true }) },
  { driver: 'docker', name: 'docker pause', strike: id => docker.getContainer(id).pause() },
  {
    driver: 'docker',
    name: 'network disconnect',
    strike: (id, network) => docker.getNetwork(network).disconnect({ Container: id, Force: true }),
  },
  {
    driver: 'docker',
    name: 'docker kill, one every 2 s',
    strike: id => docker.getContainer(id).kill(),
    everyMs: 2000,
  },
  {
    driver: 'docker',
    name: 'docker kill, no load',
    strike: id => docker.getContainer(id).kill(),
    idle: true,
  },
];
