// A worker serves clients, a replica runs somebody's code: neither may be able to open the Docker socket. In the image the primary may, by its effective
// group alone (docker/start.ts). A process that is not root cannot shed supplementary groups, but it can go back to its
// real group: done around the fork, the child's exec leaves it with no other, and no way to another.

/** Runs `fork` as the real group; a process whose effective group is the same notices nothing. */
export function asOwnGroup<T>(fork: () => T): T {
  const own = process.getgid?.();
  const effective = process.getegid?.();
  if (own === undefined || effective === undefined || own === effective) return fork();
  process.setegid?.(own);
  try {
    return fork();
  } finally {
    process.setegid?.(effective);
  }
}
