// A replica's process group: signalled as one, and over when nobody is left in it. A shell command's children end with it so,
// whatever the shell does with their signals.

/** Between two looks while a stop waits. */
const STOP_POLL_MS = 10;

/** Windows has no groups: there the process alone gets it. */
const groupOf = (pid: number): number => (process.platform === 'win32' ? pid : -pid);

export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(groupOf(pid), signal);
  } catch {
    // ESRCH: it has ended, which is what the caller wants to hear of anyway.
  }
}

export function groupIsEmpty(pid: number): boolean {
  try {
    process.kill(groupOf(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  boundMs: number,
): Promise<boolean> {
  const deadlineMs = performance.now() + boundMs;
  while (!(await condition())) {
    if (performance.now() >= deadlineMs) return false;
    await new Promise(resolve => setTimeout(resolve, STOP_POLL_MS));
  }
  return true;
}
