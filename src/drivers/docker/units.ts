// Three small words of the engine's API: its versions are two numbers with a dot, of which "1.9" is less than "1.41"; its moments
// are of nanoseconds and of changing length, while a list's are whole seconds, too coarse to tell which container is newer; and
// a key whose value is undefined must not be there at all, or it would stand over the one it is spread on.

export function isAtLeast(apiVersion: string, wanted: string): boolean {
  const [major = 0, minor = 0] = apiVersion.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** Earlier first, for `sort`: two moments as an inspect or a task has them (RFC 3339, the zeros at the end left out). */
export function byMoment(a: string, b: string): number {
  const [first, second] = [fractionOf(a), fractionOf(b)];
  return Date.parse(a) - Date.parse(b) || (first === second ? 0 : first < second ? -1 : 1);
}

/** The digits below a second: what Date.parse reads of them ends at milliseconds. */
const fractionOf = (moment: string): string => /\.(\d+)/.exec(moment)?.[1] ?? '';

/** Without the keys that nobody gave a value to, so that a spread of it overrides only what was said. */
export function said<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
