// Who sits on which seat, where replicas come and go by somebody else's hand: a pure function of who sat where and who is
// there now. A slot's keys stay with the slot, so what must not move is the seat of one that stays; what a newcomer gets
// is, if there is one, the seat of one that went, because then nothing moves but what had to. Some name their seat (a
// number of Compose's, a label, a host name); they get it, and of two that name the same the one that is further along
// has it (while a container is being recreated its successor waits, made but not started, under the same number), and of
// two that are here the newer: it was made to replace the other.

/**
 * `here`: usable; `going`: told to stop; `coming`: made, not started yet, or about to start again; `ended`: it may come back
 * or not.
 */
export type Presence = 'here' | 'going' | 'coming' | 'ended';

export interface Claim {
  readonly id: string;
  /** The seat it names; null: any. */
  readonly seat: string | null;
  readonly presence: Presence;
}

const rank: Record<Presence, number> = { here: 0, going: 1, coming: 2, ended: 3 };

/**
 * Seat -> id. `held`: the last result; `claims`: oldest first. One without a name gets a seat when it is first `here`, and
 * keeps it; one that has ended gives it to the first newcomer.
 */
export function seat(held: ReadonlyMap<string, string>, claims: readonly Claim[]): Map<string, string> {
  const taken = namedSeats(claims);
  const unnamed = new Map(claims.filter(claim => claim.seat === null).map(claim => [claim.id, claim]));
  const vacated: string[] = [];
  for (const [name, id] of held) {
    if (taken.has(name)) continue;
    const presence = unnamed.get(id)?.presence ?? 'ended';
    if (presence === 'ended') vacated.push(name);
    else taken.set(name, id);
  }
  vacated.sort(bySeat);
  const seated = new Set(taken.values());
  for (const { id, presence } of unnamed.values()) {
    if (presence === 'here' && !seated.has(id)) taken.set(vacated.shift() ?? lowestFree(taken), id);
  }
  for (const name of vacated) if (unnamed.has(held.get(name)!)) taken.set(name, held.get(name)!);
  return new Map([...taken].sort(([a], [b]) => bySeat(a, b)));
}

/** Of those that name the same seat: the one that is furthest along, then the newest. */
function namedSeats(claims: readonly Claim[]): Map<string, string> {
  const best = new Map<string, Claim>();
  for (const claim of claims) {
    if (claim.seat === null) continue;
    const other = best.get(claim.seat);
    if (other === undefined || rank[claim.presence] <= rank[other.presence]) best.set(claim.seat, claim);
  }
  return new Map([...best].map(([name, { id }]) => [name, id]));
}

function lowestFree(taken: ReadonlyMap<string, string>): string {
  let number = 1;
  while (taken.has(`${number}`)) number++;
  return `${number}`;
}

/** "2" before "10" before "a". */
function bySeat(a: string, b: string): number {
  const [x, y] = [Number(a), Number(b)];
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return Number.isNaN(x) ? (a < b ? -1 : 1) : x - y;
}
