// What may stand at a key of a Compose file, and how two files' words about it are merged. A shape reads a plain value into
// its canonical form and merges two canonical values, so a file is read once, with its own directory and lines, and merging
// never sees short and long syntax mixed (Compose merges first, and must then find duplicates in both). Reset and Override
// pass through reading and act in merging. What is wrong is reported with its place, and reading goes on.

import { nearest } from '../core/nearest.ts';
import type { Lookup } from './interpolate.ts';
import { Override, type Path, Reset } from './yaml.ts';

/** Where a value stands, and what reading it needs to know. */
export interface Place {
  readonly path: Path;
  readonly file: string;
  /** "compose.yaml:12: services.web.image" of a path. */
  readonly where: (path: Path) => string;
  readonly faults: string[];
  /** The variables of this file. */
  readonly lookup: Lookup;
  /** A path of this file made absolute. */
  readonly resolve: (path: string) => string;
}

export interface Shape {
  /** The canonical value, or undefined: nothing said, or a fault that was reported. */
  read(value: unknown, at: Place): unknown;
  merge(base: unknown, over: unknown): unknown;
}

export const below = (at: Place, key: string | number): Place => ({ ...at, path: [...at.path, key] });

export function fault(at: Place, wrong: string): undefined {
  at.faults.push(`${at.where(at.path)}: ${wrong}`);
}

export const dotted = (path: Path): string =>
  path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('');

export function readAs(shape: Shape, value: unknown, at: Place): unknown {
  if (value instanceof Reset) return value;
  if (value instanceof Override) return new Override(shape.read(value.value, at));
  return shape.read(value, at);
}

export function mergeAs(shape: Shape, base: unknown, over: unknown): unknown {
  if (over === undefined) return base;
  if (over instanceof Reset) return undefined;
  if (over instanceof Override) return over.value;
  return base === undefined || base instanceof Reset || base instanceof Override
    ? over
    : shape.merge(base, over);
}

const replace = (_base: unknown, over: unknown): unknown => over;

/** One value, which a later file replaces; null says nothing. */
export const single = (read: (value: unknown, at: Place) => unknown): Shape => ({
  read: (value, at) => (value === null || value === undefined ? undefined : read(value, at)),
  merge: replace,
});

export const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Reset || value instanceof Override);

type Struct = Readonly<Record<string, Shape>>;

/** A map of known keys; `x-` keys are anybody's. */
export function struct(
  fields: Struct,
  finish: (read: Record<string, unknown>, at: Place) => unknown = read => read,
): Shape {
  return {
    read: (value, at) => {
      if (value === null || value === undefined) return undefined;
      if (!isMap(value))
        return fault(at, `${kindOf(value)} stands where a map must; allowed: ${some(Object.keys(fields))}`);
      const read: [string, unknown][] = [];
      for (const [key, part] of Object.entries(value)) {
        const shape = Object.hasOwn(fields, key) ? fields[key] : undefined;
        if (shape !== undefined) read.push([key, readAs(shape, part, below(at, key))]);
        else if (!key.startsWith('x-')) fault(below(at, key), unknownKey(key, Object.keys(fields)));
      }
      return finish(Object.fromEntries(read.filter(([, part]) => part !== undefined)), at);
    },
    merge: (base, over) => mergeMaps(base, over, key => fields[key]!),
  };
}

/** A map of names; `nullable`: a name may stand alone. A list of names means the same, where `listed` says what each is. */
export function named(
  shape: Shape,
  { nullable = false, listed }: { nullable?: boolean; listed?: unknown } = {},
): Shape {
  return {
    read: (value, at) => {
      if (value === null || value === undefined) return undefined;
      if (listed !== undefined && Array.isArray(value)) {
        const names = value.filter(
          (name, index) => typeof name === 'string' || fault(below(at, index), 'is not a name'),
        );
        return Object.fromEntries(names.map(name => [name as string, listed]));
      }
      if (!isMap(value)) return fault(at, `${kindOf(value)} stands where a map of names must`);
      const read = Object.entries(value).map(([key, part]): [string, unknown] => [
        key,
        part === null && nullable ? null : readAs(shape, part, below(at, key)),
      ]);
      return Object.fromEntries(read.filter(([, part]) => part !== undefined));
    },
    merge: (base, over) =>
      mergeMaps(base, over, () => ({
        ...shape,
        merge: (one, other) => (one === null ? other : other === null ? one : shape.merge(one, other)),
      })),
  };
}

function mergeMaps(base: unknown, over: unknown, shapeOf: (key: string) => Shape): unknown {
  const merged = new Map(Object.entries(base as object));
  for (const [key, value] of Object.entries(over as object)) {
    const both = mergeAs(shapeOf(key), merged.get(key), value);
    if (both === undefined) merged.delete(key);
    else merged.set(key, both);
  }
  return Object.fromEntries(merged);
}

/**
 * A list; a later file adds to it, and takes the place of what has the same identity. One entry may read as several
 * (a range of ports): `read` of the item then gives a list.
 */
export function list(
  item: Shape,
  identity: (item: unknown) => string = JSON.stringify,
  several = false,
): Shape {
  const unique = (items: readonly unknown[]): unknown[] => [
    ...new Map(items.map(one => [identity(one), one])).values(),
  ];
  return {
    read: (value, at) => {
      if (value === null || value === undefined) return undefined;
      if (!Array.isArray(value)) return fault(at, `${kindOf(value)} stands where a list must`);
      // An entry is replaced whole, so nothing in it is left to be merged.
      const read = value
        .map(settled)
        .map((one, index) => item.read(one, below(at, index)))
        .filter(one => one !== undefined);
      return unique(several ? read.flat() : read);
    },
    merge: (base, over) => unique([...(base as unknown[]), ...(over as unknown[])]),
  };
}

/** A list, or its one entry alone. */
export const listOrOne = (shape: Shape): Shape => ({
  ...shape,
  read: (value, at) => shape.read(typeof value === 'string' || isMap(value) ? [value] : value, at),
});

/** What is left of a merged value when no file is left that it could act on. */
export function settled(value: unknown): unknown {
  if (value instanceof Reset) return undefined;
  if (value instanceof Override) return settled(value.value);
  if (Array.isArray(value)) return value.map(settled).filter(part => part !== undefined);
  if (!isMap(value)) return value;
  const parts = Object.entries(value).map(([key, part]): [string, unknown] => [key, settled(part)]);
  return Object.fromEntries(parts.filter(([, part]) => part !== undefined));
}

export const kindOf = (value: unknown): string =>
  value === null
    ? 'nothing'
    : Array.isArray(value)
      ? 'a list'
      : isMap(value)
        ? 'a map'
        : `${typeof value === 'string' ? 'the text' : ''} "${String(value).slice(0, 40)}"`.trim();

export function unknownKey(key: string, known: readonly string[]): string {
  const candidate = nearest(key, known);
  return `is no key here; ${candidate === null ? `allowed: ${some(known)}` : `did you mean ${candidate}?`}`;
}

const some = (names: readonly string[]): string =>
  names.length <= 12 ? names.join(', ') : 'the keys of the Compose specification, and x-NAME';
