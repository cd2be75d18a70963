// The canonical service's amounts as the engine's API wants them: durations are text as Go prints them ("1m30s"), byte counts
// are decimal text, and the version of an API is two numbers with a dot, of which "1.9" is less than "1.41".

const NANOSECONDS: Readonly<Record<string, number>> = {
  h: 3_600e9,
  m: 60e9,
  s: 1e9,
  ms: 1e6,
  us: 1e3,
  µs: 1e3,
  ns: 1,
};

export function nanosecondsOf(duration: string): number {
  let total = 0;
  for (const [, amount, unit] of duration.matchAll(/(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)/g))
    total += Number(amount) * NANOSECONDS[unit!]!;
  return Math.round(total);
}

export function isAtLeast(apiVersion: string, wanted: string): boolean {
  const [major = 0, minor = 0] = apiVersion.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** Without the keys that nobody gave a value to, so that a spread of it overrides only what was said. */
export function said<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
