// Where signals of trouble wait for the next tick. Events, refused connections, missed heartbeats and error rates all
// end here, and all say the same: look at this replica. Signals about one replica collapse into one entry that keeps the
// first cause and time (what detected it, for the figures) and the strongest kind (what is certain by now). Nothing is
// done on arrival ("don't do things directly in reaction", TigerBeetle's TIGER_STYLE), so a burst costs one tick.
// A signal may be about a replica that is not known yet: an engine tells of a death before `start` has returned the
// id. Such entries stay until the replica is known, the oldest dropped beyond a bound.

/** By strength: may be broken; unwell for good, but it may finish what it has; asked to terminate; dead; ended for certain. */
export type SignalKind = 'suspect' | 'failing' | 'going' | 'hung' | 'gone';

/** Who saw it. `listing`: the driver's list disagrees; `operator`: somebody asked; `supervisor`: torc's own decision. */
export type Source = 'event' | 'connection' | 'heartbeat' | 'outlier' | 'listing' | 'operator' | 'supervisor';

export interface Signal {
  readonly replicaId: string;
  readonly kind: SignalKind;
  readonly source: Source;
  /** Plain words: "docker die, exit code 137". */
  readonly cause: string;
  /** Monotonic. */
  readonly atMs: number;
}

export interface Dirty {
  readonly first: Signal;
  readonly kind: SignalKind;
}

/** Replicas with signals that nobody has taken yet; more are dropped, oldest first (a list finds what was lost). */
const MOST = 1024;

const strength: Record<SignalKind, number> = { suspect: 0, failing: 1, going: 2, hung: 3, gone: 4 };

export class Inbox {
  readonly #dirty = new Map<string, Dirty>();

  add(signal: Signal): void {
    const known = this.#dirty.get(signal.replicaId);
    if (known === undefined) {
      this.#dirty.set(signal.replicaId, { first: signal, kind: signal.kind });
      if (this.#dirty.size > MOST) this.#dropOldest();
    } else if (strength[signal.kind] > strength[known.kind]) {
      this.#dirty.set(signal.replicaId, { first: known.first, kind: signal.kind });
    }
  }

  /** Takes out the entries whose replica is known, in order of arrival. */
  take(isKnown: (replicaId: string) => boolean): Dirty[] {
    const taken: Dirty[] = [];
    for (const [replicaId, dirty] of this.#dirty) {
      if (!isKnown(replicaId)) continue;
      this.#dirty.delete(replicaId);
      taken.push(dirty);
    }
    return taken;
  }

  get size(): number {
    return this.#dirty.size;
  }

  #dropOldest(): void {
    for (const replicaId of this.#dirty.keys()) {
      this.#dirty.delete(replicaId);
      return;
    }
  }
}
