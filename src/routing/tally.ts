// Counts by reason, on their way from a worker to the primary's sums: taken away whole, added up whole. Which reasons there
// are is said by the tally itself, so a new one is one word in one place.

/** Why a client's connection was refused: the worker has its most, that client has, or too many are in their handshakes. */
export const REFUSALS = ['total', 'client', 'handshakes'] as const;
/** How TLS handshakes ended. */
export const HANDSHAKES = ['full', 'resumed', 'failed'] as const;

export type RefusalReason = (typeof REFUSALS)[number];
export type HandshakeEnd = (typeof HANDSHAKES)[number];
export type Tally<Reason extends string> = Record<Reason, number>;

export const emptyTally = <Reason extends string>(reasons: readonly Reason[]): Tally<Reason> =>
  Object.fromEntries(reasons.map(reason => [reason, 0])) as Tally<Reason>;

/** What was counted since the last time. */
export function take<Reason extends string>(tally: Tally<Reason>): Tally<Reason> {
  const taken = { ...tally };
  for (const reason in tally) tally[reason] = 0;
  return taken;
}

export function add<Reason extends string>(into: Tally<Reason>, delta: Readonly<Tally<Reason>>): void {
  for (const reason in delta) into[reason] += delta[reason];
}
