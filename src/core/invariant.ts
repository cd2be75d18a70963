// Asserts for programmer errors, in production too: a broken invariant stops the process before it can misroute.
// Operating errors (a refused connection, a missing image) are never asserts; they are values or classes of errors.ts.

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
