// What a setting may be: schemas (zod's) with the words that a fault ends in, and the parsers of lists. The settings
// themselves are rows of fields.ts.

import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { UNIX } from '../core/ip-ranges.ts';

/** Statuses of answers, both ends included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

export interface Kind<T> {
  readonly schema: z.ZodType<T, string>;
  readonly allowed: string;
  /** Several values: commas in a variable, a list in the settings file; none where it is not set. */
  readonly isList?: true;
  /** Shown to nobody. */
  readonly isSecret?: true;
}

/** What can make replicas, or be given them. */
export const DRIVERS = ['docker', 'process', 'static', 'follow', 'swarm'] as const;
export type DriverName = (typeof DRIVERS)[number];

export const whole = (min: number, max: number): Kind<number> => ({
  schema: z
    .string()
    .regex(/^\d{1,9}$/, 'is not a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `is less than ${min}`).max(max, `is more than ${max}`)),
  allowed: `a whole number, ${min} to ${max}`,
});

export const oneOf = <const T extends readonly [string, ...string[]]>(...values: T): Kind<T[number]> => ({
  schema: z.string().pipe(z.enum(values, 'is not one of the choices')) as unknown as z.ZodType<
    T[number],
    string
  >,
  allowed: values.join(', '),
});

export const flag: Kind<boolean> = {
  schema: z
    .string()
    .regex(/^(true|false)$/, 'is neither true nor false')
    .transform(text => text === 'true'),
  allowed: 'true, false',
};

/** null: none; 0: to the port that torc has itself. */
export const redirect: Kind<number | null> = {
  schema: z
    .string()
    .regex(/^(true|false|\d{1,5})$/, 'is neither true, false nor a port')
    .transform(text => (text === 'false' ? null : text === 'true' ? 0 : Number(text)))
    .refine(port => port === null || port <= 65535, 'is no port'),
  allowed: 'true, false, a port',
};

export const text = (pattern: RegExp, wrong: string, allowed: string): Kind<string> => ({
  schema: z.string().regex(pattern, wrong),
  allowed,
});

/** One item per comma; each either parses to a value or is named in the fault. */
export function list<T>(parseItem: (item: string) => T | null, allowed: string): Kind<readonly T[]> {
  const schema = z.string().transform((value, context): readonly T[] => {
    const items: T[] = [];
    for (const item of value.split(',').map(part => part.trim())) {
      if (item === '' && value.trim() === '') continue;
      const parsed = parseItem(item);
      if (parsed === null) context.addIssue({ code: 'custom', message: `has a wrong part "${item}"` });
      else items.push(parsed);
    }
    return items;
  });
  return { schema, allowed, isList: true };
}

/** Of a name server: `10.0.0.2`, `127.0.0.1:8600`, `[::1]:53`. */
export function parseServer(item: string): string | null {
  const [, host = '', port] =
    /^(\[[0-9a-fA-F:.]+\]|[0-9.]+|[0-9a-fA-F:]+:[0-9a-fA-F:]*)(?::(\d{1,5}))?$/.exec(item) ?? [];
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIP(bare) === 0 || (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65535))) return null;
  return bare.includes(':') && port === undefined ? bare : item;
}

/** As `docker run --cap-add` takes it, with or without CAP_. */
export function parseCapability(item: string): string | null {
  const name = item.toUpperCase().replace(/^CAP_/, '');
  return /^[A-Z][A-Z_]{1,30}$/.test(name) ? name : null;
}

/** Of an engine, as DOCKER_HOST names it. */
export const parseEngine = (item: string): string | null =>
  /^(unix:\/\/\/.+|tcp:\/\/[^/\s]+:\d{1,5})$/.test(item) ? item : null;

/** "200-399", "401". */
export function parseStatuses(item: string): StatusRange | null {
  const match = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/.exec(item);
  if (!match) return null;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from <= to ? { from, to } : null;
}

export const parseFile = (item: string): string | null => (item === '' ? null : item);

export function parseCidr(item: string): string | null {
  if (ipaddr.isValidCIDR(item)) return item;
  if (!ipaddr.isValid(item)) return null;
  return `${item}/${ipaddr.parse(item).kind() === 'ipv4' ? 32 : 128}`;
}

/**
 * What another value needs in a running torc (reload.ts): `live`, nothing: it holds from the next request, connection or
 * tick; `rollout`, other replicas, one slot after the other; `restart`, another torc.
 */
export type Changes = 'live' | 'rollout' | 'restart';

/** A CIDR or address, or whoever connects to a unix socket. */
export const parsePeer = (item: string): string | null => (item === UNIX ? item : parseCidr(item));

/** Where to listen: an address, or the path of a unix socket and who may connect to it. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  readonly mode: number;
}

const DEFAULT_SOCKET_MODE = 0o660;
/** Of a socket's path the kernel takes 107; torc makes it in a directory of its own beside that. */
const MAX_PATH_BYTES = 90;

export function parseListenAddress(item: string): ListenAddress | null {
  if (item.startsWith('unix:')) {
    const path = item.slice('unix:'.length);
    const fits = path.startsWith('/') && !path.endsWith('/') && Buffer.byteLength(path) <= MAX_PATH_BYTES;
    return fits ? { host: path, port: 0, mode: DEFAULT_SOCKET_MODE } : null;
  }
  const [, v6, host = v6, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(item) ?? [];
  if (host === undefined || (v6 !== undefined && isIP(v6) !== 6)) return null;
  return Number(port) >= 1 && Number(port) <= 65535 ? { host, port: Number(port), mode: 0 } : null;
}

/** `unix:/run/torc.sock,mode=660`: the comma that parts a socket from its mode is one of the list, too. */
export const listenAddresses: Kind<readonly ListenAddress[]> = {
  allowed:
    'ADDRESS:PORT, [IPv6]:PORT, unix:/PATH (at most 90 bytes, ,mode=660 behind it), several with commas',
  isList: true,
  schema: z.string().transform((value, context): readonly ListenAddress[] => {
    const addresses: ListenAddress[] = [];
    const wrong = (message: string): void => context.addIssue({ code: 'custom', message });
    for (const item of value.split(',').map(part => part.trim())) {
      const last = addresses.at(-1);
      const mode = /^mode=0?([0-7]{3})$/.exec(item)?.[1];
      if (item === '' && value.trim() === '') continue;
      if (mode !== undefined && last?.host.startsWith('/'))
        addresses[addresses.length - 1] = { ...last, mode: Number.parseInt(mode, 8) };
      else {
        const parsed = parseListenAddress(item);
        if (parsed === null) wrong(`has a wrong part "${item}"`);
        else if (addresses.some(({ host, port }) => host === parsed.host && port === parsed.port))
          wrong(`has "${item}" twice`);
        else addresses.push(parsed);
      }
    }
    return addresses;
  }),
};

/** `readBy`: the drivers that make anything of it; with another one it is a fault (check.ts). */
export const row = <T, F extends string | null>(
  name: string,
  kind: Kind<T>,
  fallback: F,
  unit: string,
  meaning: string,
  changes: Changes,
  readBy: readonly DriverName[] = DRIVERS,
) => ({
  name,
  schema: kind.schema,
  allowed: kind.allowed,
  isList: kind.isList === true,
  isSecret: kind.isSecret === true,
  fallback,
  unit,
  meaning,
  changes,
  readBy,
});
