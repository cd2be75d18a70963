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
