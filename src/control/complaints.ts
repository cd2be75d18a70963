// What a worker's complaint about a replica leads to: a doubt at once, and once it is known whether others were answered
// meanwhile, perhaps an ejection (outlier.ts has the rules). Apart from the loop, which only hears the signals.

import type { Clock } from '../core/clock.ts';
import type { SuspectHint } from '../core/types.ts';
import type { DataPlane } from './data-plane.ts';
import type { Fleet } from './fleet.ts';
import type { Signal } from './inbox.ts';
import { addComplaint, isCurrent, isDoubt, isOutlier } from './outlier.ts';
import { isReady, type Member, type Slot } from './slots.ts';

export interface ComplaintsOptions {
  readonly fleet: Fleet;
  readonly dataPlane: DataPlane;
  readonly clock: Clock;
  readonly onSignal: (signal: Signal) => void;
}

export class Complaints {
  readonly #options: ComplaintsOptions;

  constructor(options: ComplaintsOptions) {
    this.#options = options;
  }

  hint(hint: SuspectHint): void {
    const { fleet, dataPlane, clock, onSignal } = this.#options;
    const { slot: name, replicaId, cause, detail } = hint;
    const slot = fleet.slots.byReplica(replicaId);
    const { member } = slot ?? {};
    if (!slot || !member || slot.name !== name || member.state !== 'ready') return;
    if (isDoubt(cause))
      onSignal({ replicaId, kind: 'suspect', source: 'connection', cause: detail, atMs: clock.nowMs() });
    void dataPlane.signs(replicaId).then(signs => {
      if (slot.member === member && signs !== null) this.#weigh(hint, slot, member, signs.answers);
    });
  }

  /** Is it more than a doubt? Whether others were answered meanwhile is known by now. */
  #weigh({ inRow, replicaId, detail }: SuspectHint, slot: Slot, member: Member, answers: number): void {
    const { fleet, clock, onSignal } = this.#options;
    const nowMs = clock.nowMs();
    member.complaints = addComplaint(member.complaints, answers, nowMs);
    const isReadyOr = (other: Slot): boolean => other === slot || isReady(other);
    const listed = fleet.slots.listed();
    const around = {
      slotCount: listed.length,
      readyCount: listed.filter(isReadyOr).length,
      ejectedCount: listed.filter(other => (other.member?.ejectedUntilMs ?? 0) > nowMs).length,
      complainedCount: listed.filter(
        other => other !== slot && isReady(other) && isCurrent(other.member!.complaints, nowMs),
      ).length,
    };
    if (member.ejectedUntilMs > nowMs || !isOutlier(inRow, member.complaints, around)) return;
    member.complaints = null;
    const cause = `${Math.floor(inRow)} failures in a row, the last: ${detail}`;
    fleet.eject(slot, member, cause);
    onSignal({ replicaId, kind: 'suspect', source: 'outlier', cause, atMs: nowMs });
  }
}
