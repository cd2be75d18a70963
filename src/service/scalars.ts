// Values of one word: texts, numbers, sizes, durations. A number may be written as text, because a variable always is one;
// a text is never made of a number where the specification wants text, because YAML has changed it by then (0755, 1.20).
// Canonical forms are Compose's: bytes as decimal text, durations as Go prints them.

import { fault, type Place, type Shape, single } from './shape.ts';

export const text: Shape = single((value, at) =>
  typeof value === 'string' ? value : fault(at, `${shown(value)} is not text; allowed: the same in quotes`),
);

/** A path of the machine that torc runs on. */
export const hostPath: Shape = single((value, at) =>
  typeof value === 'string' ? at.resolve(value) : text.read(value, at),
);

/** Text, number or truth value as its text, as Go prints it. */
export const anyText: Shape = single(
  (value, at) => asText(value) ?? fault(at, `${shown(value)} is not one value`),
);

export function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return goNumber(value);
  return typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : undefined;
}

/** Go writes exponents from 1e21 up and below 1e-4, and with two digits. */
function goNumber(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e21) || !Number.isFinite(value)) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

const numeric = (pattern: RegExp, allowed: string, within: (value: number) => boolean = () => true): Shape =>
  single((value, at) => {
    const written = asText(value);
    const number = Number(written);
    if (typeof value !== 'boolean' && written !== undefined && pattern.test(written) && within(number))
      return number;
    return fault(at, `${shown(value)} is not ${allowed}`);
  });

export const whole = (min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): Shape =>
  numeric(
    /^[+-]?\d{1,16}$/,
    `a whole number${min === Number.MIN_SAFE_INTEGER ? '' : max === Number.MAX_SAFE_INTEGER ? ` from ${min}` : `, ${min} to ${max}`}`,
    value => value >= min && value <= max,
  );

export const decimal: Shape = numeric(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, 'a number');

export const truth: Shape = single((value, at) => {
  const word = String(value).toLowerCase();
  if (/^(true|y|yes|on)$/.test(word)) return true;
  if (/^(false|n|no|off)$/.test(word)) return false;
  return fault(at, `${shown(value)} is neither true nor false`);
});

/** Bits of a file: octal as text ("0440"), or the number that YAML read. */
export const fileMode: Shape = single((value, at) => {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'string' && /^0?o?[0-7]{1,5}$/.test(value))
    return Number.parseInt(value.replace('o', ''), 8);
  return fault(at, `${shown(value)} is not a file mode; allowed: 0440`);
});

const UNITS = ['', 'k', 'm', 'g', 't', 'p'];

export const bytes: Shape = single((value, at) => {
  const written = asText(value) ?? '';
  if (/^-\d+$/.test(written)) return written;
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(written);
  if (match === null)
    return fault(at, `${shown(value)} is not a size; allowed: 512k, 100m, 1.5g, a number of bytes`);
  return String(Math.trunc(Number(match[1]) * 1024 ** UNITS.indexOf(match[2]!.toLowerCase())));
});

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
  d: 86_400e9,
  w: 604_800e9,
};

export const duration: Shape = single((value, at) => {
  const found = typeof value === 'string' ? nanoseconds(value) : null;
  return found === null
    ? fault(at, `${shown(value)} is not a duration; allowed: 10s, 1m30s, 500ms`)
    : goDuration(found);
});

function nanoseconds(written: string): number | null {
  if (written === '0') return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w))+$/.test(written)) return null;
  let sum = 0;
  for (const [, number, unit] of written.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|[smhdw])/g))
    sum += Number(number) * NANOSECONDS[unit!]!;
  return Math.round(sum);
}

function goDuration(total: number): string {
  if (total < 1e9) {
    if (total === 0) return '0s';
    const [unit, size] = total < 1e3 ? ['ns', 1] : total < 1e6 ? ['µs', 1e3] : ['ms', 1e6];
    return `${total / (size as number)}${unit}`;
  }
  const hours = Math.floor(total / 3600e9);
  const minutes = Math.floor((total % 3600e9) / 60e9);
  const seconds = `${(total % 60e9) / 1e9}s`;
  return hours > 0 ? `${hours}h${minutes}m${seconds}` : minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

/** A canonical duration, in nanoseconds and in milliseconds. */
export const durationNs = (canonical: string): number => nanoseconds(canonical) ?? 0;
export const durationMs = (canonical: string): number => Math.ceil(durationNs(canonical) / 1e6);

export const shown = (value: unknown): string => {
  const written =
    JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? Number(part) : part)) ?? 'nothing';
  return written.length > 60 ? `${written.slice(0, 60)}...` : written;
};

export type { Place };
