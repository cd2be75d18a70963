// Waits for a condition, never for a time: polls until it holds, fails with what was awaited when the bound is over.

const POLL_MS = 5;

export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  { timeoutMs, what }: { timeoutMs: number; what: string },
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
}

/** It has begun, and has not moved for a while. */
export function isStill(value: () => number): () => boolean {
  let last = 0;
  let sinceMs = performance.now();
  return () => {
    if (value() !== last) sinceMs = performance.now();
    last = value();
    return last > 0 && performance.now() - sinceMs > 300;
  };
}
