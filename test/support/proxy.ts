// The data plane alone, in this process: a real server on a real port, with a snapshot made by hand in which slot "1"
// owns every key, "2" stands in for it, and "3" for both. The control plane's ends (admin, hints, log) are recorded.

import { loadConfig } from '../../src/config/load.ts';
import type { Log } from '../../src/core/log.ts';
import type { ReplicaState, SnapshotMessage, SuspectHint } from '../../src/core/types.ts';
import { createProxy, type DataPlane } from '../../src/front/data-plane.ts';
import { tableChecksum } from '../../src/ring/build.ts';
import { CHOICES, makeTable, NONE } from '../../src/ring/table.ts';
import { Counters, type CountersDelta } from '../../src/routing/counters.ts';
import { SnapshotHolder } from '../../src/routing/snapshot.ts';
import { freePort } from './torc.ts';
import { addressFor } from './way.ts';

export interface LogLine {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

export interface TestProxy {
  readonly port: number;
  readonly proxy: DataPlane;
  readonly snapshots: SnapshotHolder;
  readonly counters: Counters;
  readonly hints: SuspectHint[];
  readonly lines: LogLine[];
  readonly adminCalls: string[];
  close(): Promise<void>;
}

/** `ports` of the replicas of slots "1", "2", ...; `settings` are TORC_* without the prefix. */
export async function startProxy(
  ports: readonly number[],
  settings: Record<string, string> = {},
): Promise<TestProxy> {
  const all = {
    EXPRESS: process.env.TORC_TEST_EXPRESS ?? 'on',
    PIPELINING: process.env.TORC_TEST_PIPELINING ?? 'off',
    ...settings,
  };
  const env = Object.fromEntries(Object.entries(all).map(([name, value]) => [`TORC_${name}`, value]));
  const loaded = loadConfig(env, []);
  if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));
  const hints: SuspectHint[] = [];
  const lines: LogLine[] = [];
  const adminCalls: string[] = [];
  const counters = new Counters();
  const snapshots = new SnapshotHolder(loaded.config, recorder(lines));
  snapshots.apply(snapshotOf(1, ports));
  const proxy = createProxy({
    config: loaded.config,
    snapshots,
    counters,
    admin: {
      handle(request, response) {
        adminCalls.push(`${request.method} ${request.url}`);
        response.end('admin');
      },
    },
    suspect: hint => hints.push(hint),
    log: recorder(lines),
  });
  const port = await freePort();
  const at = { host: '127.0.0.1', port };
  await proxy.listen({ ...at, mode: 0, setting: 'PORT', tls: false, redirect: null }, at);
  return { port, proxy, snapshots, counters, hints, lines, adminCalls, close: () => proxy.drain(0) };
}

export function snapshotOf(
  epoch: number,
  ports: readonly number[],
  {
    states = [],
    generation = 0,
    rows = 8,
    lost = [],
    gone = [],
    failing = [],
  }: {
    states?: ReplicaState[];
    generation?: number;
    rows?: number;
    lost?: string[];
    gone?: string[];
    failing?: string[];
  } = {},
): SnapshotMessage {
  const row = Array.from({ length: CHOICES }, (_, index) => (index < ports.length ? index : NONE));
  const choices = new Uint16Array(Array.from({ length: rows }, () => row).flat());
  return {
    epoch,
    checksum: tableChecksum(makeTable('rendezvous', choices)),
    algorithm: 'rendezvous',
    tableVersion: epoch,
    rows,
    choices,
    points: null,
    upstreams: ports.map((port, slotId) => ({
      slotId,
      slot: String(slotId + 1),
      generation,
      replicaId: `replica-${slotId + 1}-${generation}`,
      ...addressFor(port),
      state: states[slotId] ?? 'ready',
    })),
    lost,
    gone,
    failing,
  };
}

function recorder(lines: LogLine[]): Log {
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...fields }, message });
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** How often torc itself answered for this cause, whatever the slot. */
export const errorCount = ({ errors }: CountersDelta, code: string): number =>
  errors.reduce((sum, error) => sum + (error.code === code ? error.count : 0), 0);
