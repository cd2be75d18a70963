// The difference of two states as a JSON merge patch (RFC 7396): what changed, at any depth; null for what is no longer
// there. So a reader that has one state is told the next one in a few bytes, by a format that it need not learn here.
// Null says "gone" in such a patch, so the states themselves hold none. Lists are replaced whole.

export type Json = string | number | boolean | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json | undefined;
}
export interface Patch {
  [name: string]: Json | Patch | null;
}

/** What makes `after` of `before`. Empty where nothing changed. */
export function mergePatch(before: JsonObject, after: JsonObject): Patch {
  const patch: Patch = {};
  for (const [name, value] of Object.entries(after)) {
    // A slot may be called "constructor".
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    if (value === old || value === undefined) continue;
    if (isObject(value) && isObject(old)) {
      const inner = mergePatch(old, value);
      if (Object.keys(inner).length > 0) patch[name] = inner;
    } else if (!Array.isArray(value) || JSON.stringify(value) !== JSON.stringify(old)) {
      patch[name] = value;
    }
  }
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) patch[name] = null;
  return patch;
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && !Array.isArray(value);
