// How many connections a torc that was replaced sends on to its successor, and when: few at first, then ever more. Its workers
// have just started and know nothing yet: no code of theirs is compiled, no connection to a replica is open. All clients at once
// waited 150 to 240 ms for their first answer there; the first few warm it for the others. Pure.
// (docs/decisions/0028-succession.md)

/** From one step to the next; the whole takes STEPS of them. */
export const STEP_MS = 100;
const STEPS = 6;

/** How many of `count` may go at each step; behind the last one all may. */
export const partingSteps = (count: number): readonly number[] =>
  Array.from({ length: STEPS }, (_, step) => Math.ceil(count / 2 ** (STEPS - step)));
