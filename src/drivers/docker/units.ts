// Two small words of the engine's API: its versions are two numbers with a dot, of which "1.9" is less than "1.41", and a key
// whose value is undefined must not be there at all, or it would stand over the one it is spread on.

export function isAtLeast(apiVersion: string, wanted: string): boolean {
  const [major = 0, minor = 0] = apiVersion.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** Without the keys that nobody gave a value to, so that a spread of it overrides only what was said. */
export function said<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
