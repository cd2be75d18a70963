// What torc writes into a service, as pure functions of its specification: scaled, updated, moved off a lost node, and put
// back. What was the user's before an evacuation is kept in labels of the service itself, so that any torc puts it back, also
// one that was started since. An evacuation is a change of constraints alone: Swarm replaces only the tasks that break it,
// start-first and all at once, where drain, a forced update and stop-first wait for the dead one (measured, docs/swarm.md).

import { isDeepStrictEqual } from 'node:util';
import type { SwarmNode, SwarmService, SwarmServiceSpec, SwarmUpdateConfig } from './objects.ts';
import { withoutDigest } from './task.ts';

/** Followed by the node's id; its value is when. */
export const EVACUATED = 'torc.evacuated.';
/** When the last one was: known also once its node is back and the label above is gone. */
const LAST_EVACUATION = 'torc.last-evacuation';
/** The user's own, as JSON, while the evacuation's is in force; '' for none. */
export const UPDATE_CONFIG = 'torc.update-config';

const MOVE: SwarmUpdateConfig = {
  Parallelism: 0,
  Order: 'start-first',
  FailureAction: 'continue',
  Monitor: 500_000_000,
};
/** Where the user has said nothing of updates: one slot after the other. */
const UPDATE: SwarmUpdateConfig = { Parallelism: 1, Monitor: 5_000_000_000 };

export const replicasIn = ({ Mode }: SwarmServiceSpec): number | null =>
  Mode?.Replicated === undefined ? null : (Mode.Replicated.Replicas ?? 1);

export function scaled(spec: SwarmServiceSpec, count: number): SwarmServiceSpec {
  return { ...spec, Mode: { ...spec.Mode, Replicated: { ...spec.Mode?.Replicated, Replicas: count } } };
}

/**
 * Null: it is that version already. A new one that does not last is taken back: paused half-way, Swarm would go on to make
 * what dies of the version that failed.
 */
export function updated(spec: SwarmServiceSpec, image: string): SwarmServiceSpec | null {
  const { ContainerSpec = {} } = spec.TaskTemplate;
  if (withoutDigest(ContainerSpec.Image ?? '') === image) return null;
  return {
    ...spec,
    TaskTemplate: { ...spec.TaskTemplate, ContainerSpec: { ...ContainerSpec, Image: image } },
    UpdateConfig: { ...(spec.UpdateConfig ?? UPDATE), Order: 'start-first', FailureAction: 'rollback' },
    RollbackConfig: { ...(spec.RollbackConfig ?? UPDATE), Order: 'start-first' },
  };
}

const away = (nodeId: string): string => `node.id!=${nodeId}`;

export const evacuatedNodes = ({ Labels = {} }: SwarmServiceSpec): string[] =>
  Object.keys(Labels).flatMap(key => (key.startsWith(EVACUATED) ? [key.slice(EVACUATED.length)] : []));

/** When a node was evacuated last, since 1970; 0: none ever was. */
export const evacuatedAtMs = ({ Labels = {} }: SwarmServiceSpec): number =>
  Date.parse(Labels[LAST_EVACUATION] ?? '') || 0;

export const isUpdating = ({ UpdateStatus }: SwarmService): boolean =>
  UpdateStatus?.State === 'updating' || UpdateStatus?.State === 'rollback_started';

/** Null: somebody has done it. */
export function evacuated(spec: SwarmServiceSpec, nodeId: string, wallMs: number): SwarmServiceSpec | null {
  const { Placement = {} } = spec.TaskTemplate;
  const { Constraints } = Placement;
  const constraints = Constraints ?? [];
  if (constraints.includes(away(nodeId))) return null;
  const kept = spec.Labels?.[UPDATE_CONFIG] ?? (spec.UpdateConfig ? JSON.stringify(spec.UpdateConfig) : '');
  return {
    ...spec,
    Labels: {
      ...spec.Labels,
      [`${EVACUATED}${nodeId}`]: new Date(wallMs).toISOString(),
      [LAST_EVACUATION]: new Date(wallMs).toISOString(),
      [UPDATE_CONFIG]: kept,
    },
    TaskTemplate: {
      ...spec.TaskTemplate,
      Placement: { ...Placement, Constraints: [...constraints, away(nodeId)] },
    },
    UpdateConfig: MOVE,
  };
}

/**
 * Puts back what an evacuation took: the user's way to update as soon as the move is over, a node's place when it is back.
 * Null: nothing to put back now.
 */
export function putBack(service: SwarmService, isBack: (nodeId: string) => boolean): SwarmServiceSpec | null {
  // A write meanwhile would have Swarm go on with the move in another way.
  if (isUpdating(service)) return null;
  const { Spec } = service;
  const labels = { ...Spec.Labels };
  const back = evacuatedNodes(Spec).filter(isBack);
  const hasKept = labels[UPDATE_CONFIG] !== undefined;
  if (!hasKept && back.length === 0) return null;
  const next = hasKept ? withUpdateConfig(Spec, labels[UPDATE_CONFIG]!) : Spec;
  delete labels[UPDATE_CONFIG];
  for (const nodeId of back) delete labels[`${EVACUATED}${nodeId}`];
  const barred = new Set(back.map(away));
  const { Placement = {} } = next.TaskTemplate;
  const Constraints = (Placement.Constraints ?? []).filter(constraint => !barred.has(constraint));
  return {
    ...next,
    Labels: labels,
    TaskTemplate: { ...next.TaskTemplate, Placement: { ...Placement, Constraints } },
  };
}

/** What the user has written meanwhile stays. */
function withUpdateConfig(spec: SwarmServiceSpec, kept: string): SwarmServiceSpec {
  const { UpdateConfig, ...rest } = spec;
  if (!isMove(UpdateConfig)) return spec;
  const before = configIn(kept);
  return before === null ? rest : { ...rest, UpdateConfig: before };
}

/** The engine adds what was not said (MaxFailureRatio 0). */
const isMove = (config: SwarmUpdateConfig | undefined): boolean =>
  isDeepStrictEqual(config === undefined ? null : { ...MOVE, ...pick(config) }, { ...MOVE });

const pick = ({ Parallelism = 0, Order, FailureAction, Monitor }: SwarmUpdateConfig): SwarmUpdateConfig => ({
  Parallelism,
  ...(Order === undefined ? {} : { Order }),
  ...(FailureAction === undefined ? {} : { FailureAction }),
  ...(Monitor === undefined ? {} : { Monitor }),
});

function configIn(text: string): SwarmUpdateConfig | null {
  try {
    return text === '' ? null : (JSON.parse(text) as SwarmUpdateConfig);
  } catch {
    return null;
  }
}

/** A new leader knows nobody for some seconds. */
const MAY_BE_THERE: readonly string[] = ['ready', 'unknown'];

/** Why a node's tasks are not to be moved now; null: they may be. */
export function evacuationRefusal(
  service: SwarmService,
  nodes: readonly SwarmNode[],
  nodeId: string,
  { wallMs, perMs }: { wallMs: number; perMs: number },
): string | null {
  const { Spec } = service;
  if (isUpdating(service)) return 'the service is being updated';
  const sinceMs = wallMs - evacuatedAtMs(Spec);
  if (sinceMs >= 0 && sinceMs < perMs) return 'another node was evacuated within this minute';
  const gone = new Set([...evacuatedNodes(Spec), nodeId]);
  const left = nodes.filter(
    ({ ID, Status, Spec: { Availability = 'active' } }) =>
      !gone.has(ID) && MAY_BE_THERE.includes(Status.State) && Availability === 'active',
  );
  return left.length === 0 ? 'no other node is there' : null;
}
