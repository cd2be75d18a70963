// `/admin/status`: is all well, and may something be deployed now? One object for whoever is on call and for scripts, pure,
// from what the other endpoints show in full. `safeToDeploy` is no only for reasons that it names.

import type { DriverState, RolloutView, SlotView } from '../control/supervisor.ts';
import type { WorkerRing } from '../core/messages.ts';
import type { SnapshotMessage } from '../core/types.ts';
import type { Totals } from '../routing/counters.ts';

export interface StatusSource {
  readonly version: string;
  /** Since 1970. */
  readonly startedMs: number;
  readonly driver: string;
  /** What the replicas run; null where they are given. */
  readonly program: string | null;
  readonly driverState: DriverState;
  /** In what this torc would not route as the others of its service. */
  readonly difference: string;
  readonly slots: readonly SlotView[];
  readonly spares: readonly SlotView[];
  readonly wantedSpares: number;
  readonly rollout: RolloutView | null;
  readonly snapshot: Pick<SnapshotMessage, 'epoch' | 'checksum' | 'algorithm'>;
  /** What torcs of one service compare. */
  readonly digest: string;
  readonly workers: readonly WorkerRing[];
  readonly wantedWorkers: number;
  readonly workerRestarts: number;
  /** settings.ts. */
  readonly settings: object;
  readonly totals: Pick<Totals, 'requests' | 'retries' | 'budgetRefusals' | 'logDropped'>;
}

export function statusView(source: StatusSource): object {
  const { slots, spares, driverState, rollout, totals } = source;
  const reasons = reasonsAgainst(source);
  return {
    version: source.version,
    startedAt: iso(source.startedMs),
    program: source.program,
    replicas: {
      ready: readyOf(slots),
      of: slots.length,
      notReady: slots.filter(isOut).map(slot => ({ slot: slot.name, state: slot.state, why: whyOut(slot) })),
    },
    spares: { ready: readyOf(spares), of: source.wantedSpares },
    driver: {
      name: source.driver,
      reachable: driverState.reachable,
      since: iso(driverState.sinceMs),
      ...(driverState.cause === null ? {} : { cause: driverState.cause }),
    },
    rollout: rollout === null ? null : { version: rollout.version, state: rollout.state, left: rollout.left },
    retries: { requests: totals.requests, retries: totals.retries, refusedByBudget: totals.budgetRefusals },
    epoch: source.snapshot.epoch,
    ring: { algorithm: source.snapshot.algorithm, digest: source.digest },
    workers: {
      of: source.wantedWorkers,
      restarts: source.workerRestarts,
      each: source.workers.map(({ worker, pid, epoch }) => ({ worker, pid, epoch })),
    },
    logLinesDropped: totals.logDropped,
    safeToDeploy: { yes: reasons.length === 0, reasons },
    settings: source.settings,
  };
}

function reasonsAgainst(source: StatusSource): string[] {
  const { slots, spares, driverState, rollout, snapshot, workers } = source;
  const reasons = slots.filter(isOut).map(slot => `slot ${slot.name} is ${slot.state}: ${whyOut(slot)}`);
  if (readyOf(spares) < source.wantedSpares)
    reasons.push(`${readyOf(spares)} of ${source.wantedSpares} spares are ready`);
  if (!driverState.reachable)
    reasons.push(
      `the ${source.driver} driver does not answer since ${iso(driverState.sinceMs)}: ${driverState.cause}`,
    );
  if (source.difference !== '')
    reasons.push(`this torc routes otherwise than the others of its service: ${source.difference}`);
  if (rollout?.state === 'running') reasons.push(`a roll-out of ${rollout.version} is under way`);
  const current = workers.filter(
    ({ epoch, checksum }) => epoch === snapshot.epoch && checksum === snapshot.checksum,
  );
  if (current.length < source.wantedWorkers)
    reasons.push(`${current.length} of ${source.wantedWorkers} workers route by the current snapshot`);
  return reasons;
}

const iso = (ms: number): string => new Date(ms).toISOString();
const isOut = (slot: SlotView): boolean => slot.state !== 'ready';
const readyOf = (slots: readonly SlotView[]): number => slots.filter(slot => !isOut(slot)).length;
const whyOut = ({ failing, change }: SlotView): string => failing?.cause ?? change.cause;
