// What the torcs of one service have in common beside its tasks: settings that decide where keys go, and weights of slots. Kept
// in labels of the service, which Swarm replicates and which any manager reads at once; a write carries the version of what was
// read, so the labels are a compare-and-swap store and no torc leads the others (managers.ts; measured with three writers).
// Pure. A weight is everybody's, because one torc's own would send keys elsewhere than the others do. A torc that starts with other settings is refused, because half of the keys would go astray in silence; one whose
// settings are changed while it runs is an operator's doing and becomes what the service says, and the others tell by name
// what they differ in, until they are changed too. A label that cannot be read is told and never overwritten.
//
//   torc.shared = {"TORC_KEY":"path","TORC_RING":"rendezvous","TORC_RING_ROWS":"65536"}
//   torc.weight.3 = 2           as by hand: docker service update --label-add torc.weight.3=2 web

import type { Replica } from '../../control/driver.ts';
import { MOST_WEIGHT, MOST_WEIGHT_IN_ALL } from '../../core/types.ts';
import type { SwarmServiceSpec } from './objects.ts';

export const SHARED = 'torc.shared';
/** Followed by the slot. */
export const WEIGHT = 'torc.weight.';
/** All of a service's labels: an object of Swarm's store may have a megabyte, and others write into it too. */
const MOST_BYTES = 64 * 1024;
const WEIGHTS = /^\d{1,3}(?:\.\d{1,2})?$/;

/** Names as settings have them, values as they are written. */
export type Shared = Readonly<Record<string, string>>;

/** What the service says; null: nothing yet; a string: why it cannot be read. */
export function sharedIn({ Labels = {} }: SwarmServiceSpec): Shared | null | string {
  const text = Labels[SHARED];
  if (text === undefined) return null;
  const unreadable = `its label ${SHARED} is not what a torc writes: docker service update --label-rm ${SHARED} has it written anew`;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return unreadable;
    return Object.values(value).every(each => typeof each === 'string') ? (value as Shared) : unreadable;
  } catch {
    return unreadable;
  }
}

/** By name; none: they agree. A setting that one of them does not know is no difference: torcs of two versions run side by side. */
export const differences = (own: Shared, theirs: Shared): string[] =>
  Object.keys(own)
    .filter(name => theirs[name] !== undefined && theirs[name] !== own[name])
    .sort()
    .map(name => `${name} is ${own[name]} here, and ${theirs[name]} for the other torcs`);

/** Throws where the labels would grow beyond their bound. */
export function withShared(spec: SwarmServiceSpec, shared: Shared): SwarmServiceSpec {
  const sorted = Object.fromEntries(Object.entries(shared).sort(([a], [b]) => (a < b ? -1 : 1)));
  return withLabels(spec, { ...spec.Labels, [SHARED]: JSON.stringify(sorted) });
}

/** `weight`: null takes it away. Null: it is so already. */
export function withWeight(
  spec: SwarmServiceSpec,
  slot: string,
  weight: number | null,
): SwarmServiceSpec | null {
  const { [`${WEIGHT}${slot}`]: before, ...rest } = spec.Labels ?? {};
  if (before === (weight === null ? undefined : `${weight}`)) return null;
  return withLabels(spec, weight === null ? rest : { ...rest, [`${WEIGHT}${slot}`]: `${weight}` });
}

function withLabels(spec: SwarmServiceSpec, Labels: Readonly<Record<string, string>>): SwarmServiceSpec {
  const bytes = Buffer.byteLength(JSON.stringify(Labels));
  if (bytes > MOST_BYTES)
    throw new Error(`the labels of ${spec.Name} would have ${bytes} bytes, and ${MOST_BYTES} are the most`);
  return { ...spec, Labels };
}

export interface Agreement {
  /** In force here. */
  readonly own: Shared;
  /** In force here when this torc and the service agreed last; null: they never did. */
  readonly agreed: Shared | null;
}

/** What is to be done about what the service says: write ours, tell that they differ, or nothing. */
export type Step =
  | { readonly kind: 'agree' }
  | { readonly kind: 'write'; readonly shared: Shared }
  | { readonly kind: 'differ'; readonly faults: readonly string[] };

export function agree(spec: SwarmServiceSpec, { own, agreed }: Agreement): Step {
  const theirs = sharedIn(spec);
  if (Object.keys(own).length === 0) return { kind: 'agree' };
  if (theirs === null) return { kind: 'write', shared: own };
  if (typeof theirs === 'string') return { kind: 'differ', faults: [theirs] };
  const faults = differences(own, theirs);
  // A setting that nobody before knew is added.
  if (faults.length === 0)
    return Object.keys(own).every(name => theirs[name] !== undefined)
      ? { kind: 'agree' }
      : { kind: 'write', shared: { ...theirs, ...own } };
  // Ours was changed since, and nobody else changed theirs.
  const isOurs = agreed !== null && differences(agreed, theirs).length === 0;
  return isOurs ? { kind: 'write', shared: { ...theirs, ...own } } : { kind: 'differ', faults };
}

/** By slot; a weight that none can have counts as none. */
export function weightsIn({ Labels = {} }: SwarmServiceSpec): ReadonlyMap<string, number> {
  return new Map(
    Object.entries(Labels).flatMap(([key, value]): [string, number][] =>
      key.startsWith(WEIGHT) && WEIGHTS.test(value) && Number(value) <= MOST_WEIGHT
        ? [[key.slice(WEIGHT.length), Number(value)]]
        : [],
    ),
  );
}

/** What is listed, with the weights that the service says; `fault`: why these together cannot be, and none is taken. */
export function weighed(
  replicas: readonly Replica[],
  spec: SwarmServiceSpec | undefined,
): { replicas: readonly Replica[]; fault: string } {
  const weights = spec === undefined ? new Map<string, number>() : weightsIn(spec);
  if (weights.size === 0) return { replicas, fault: '' };
  const bySlot = new Map(replicas.map(({ slot }) => [slot, weights.get(slot) ?? 1]));
  const all = [...bySlot.values()].reduce((sum, weight) => sum + weight, 0);
  const fault =
    all === 0
      ? `every slot would have the weight 0, and nobody would be left to serve: the labels ${WEIGHT}* are not taken`
      : all > MOST_WEIGHT_IN_ALL
        ? `the labels ${WEIGHT}* make ${all} in all, and ${MOST_WEIGHT_IN_ALL} are the most: they are not taken`
        : '';
  if (fault !== '') return { replicas, fault: bySlot.size === 0 ? '' : fault };
  const heavy = (replica: Replica): Replica =>
    weights.has(replica.slot) ? { ...replica, weight: weights.get(replica.slot)! } : replica;
  return { replicas: replicas.map(heavy), fault: '' };
}
