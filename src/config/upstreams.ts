// Given upstreams as people write them, one at a time: `host:port`, `https://host:port`, `unix:PATH`, `dns:NAME:PORT` (each
// of its addresses is a replica), `srv:NAME`; behind each `;name=`, behind https `;ca=` and `;sni=`. The same words in
// TORC_UPSTREAMS, with commas, and in a file, a line each. A slot is hashed by its name, so what is one name only by another
// spelling is made one here: letter case, forms of IPv6, a scheme's own port.

import { isIP } from 'node:net';
import { resolve } from 'node:path';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { hostPort, isSocketPath } from '../core/host-port.ts';
import { MOST_WEIGHT, MOST_WEIGHT_IN_ALL, type ReplicaAddress } from '../core/types.ts';
import type { Kind } from './kinds.ts';

export interface GivenUpstream extends ReplicaAddress {
  /** `host`: one replica, also where its name has several addresses; `port` is 0 for `srv`, whose answers bring them. */
  readonly kind: 'host' | 'dns' | 'srv';
  /** The slot's name, or what its slots' names begin with. */
  readonly name: string;
  /** Shares of keys; HAProxy's id, for its ring alone (docs/migrating.md). */
  readonly weight?: number;
  readonly serverId?: number;
}

export const UPSTREAM_FORMS =
  'host:port, http://host, https://host:port (;ca=FILE ;sni=NAME), unix:/PATH, dns:NAME:PORT or srv:NAME, each with ;name=NAME, ;weight=N or ;id=N behind it if wanted';

/** More in a list are a mistake: no ring holds so many. */
const MOST = 1000;
const LONGEST_SHOWN = 80;
/** What the kernel has room for (unix(7)), less its closing zero. */
const LONGEST_PATH_BYTES = 107;
const HOST = /^[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_.])?$/i;
/** Stands in a URL (/requests/NAME), a header and a metric as it is. */
const SLOT_NAME = /^[a-z0-9_[]([a-z0-9_.:~[\]-]{0,253}[a-z0-9_\]])?$/i;

/** Whether a slot that somebody else fills may be called so. */
export const isGivenName = (name: string): boolean => SLOT_NAME.test(name);

/** `10.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`. */
export const addressName = (host: string, port: number): string => hostPort(withoutDot(host), port);

/** "web." is looked up without search domains, and is the same name. */
export const withoutDot = (host: string): string => host.replace(/\.$/, '');

type Attributes = { [key in AttributeName]?: string };

type Target = Omit<GivenUpstream, 'name'>;

/** One upstream; a string says what is wrong with it. */
export function parseUpstream(text: string): GivenUpstream | string {
  const [target = '', ...rest] = text.split(';').map(part => part.trim());
  const parsed = targetOf(target);
  if (typeof parsed === 'string') return parsed;
  const attributes = attributesOf(rest, parsed.tls !== undefined);
  if (typeof attributes === 'string') return attributes;
  const { ca, sni, weight, id, name = nameOf(parsed) } = attributes;
  if (id !== undefined && parsed.kind !== 'host')
    return "has ;id=, which is one server's: its addresses would all have it";
  const given = {
    ...parsed,
    name,
    ...(weight === undefined ? {} : { weight: Number(weight) }),
    ...(id === undefined ? {} : { serverId: Number(id) }),
  };
  if (!parsed.tls) return given;
  const serverName = sni ?? parsed.tls.serverName;
  return { ...given, tls: { serverName, ca: ca === undefined ? null : resolve(ca) } };
}

function targetOf(text: string): Target | string {
  const [, scheme = '', rest = text] = /^(unix|dns|srv|https?):(.*)$/i.exec(text) ?? [];
  switch (scheme.toLowerCase()) {
    case 'unix':
      return socketOf(rest);
    case 'srv': {
      const host = hostOf(rest);
      return host === null ? 'is no srv:NAME' : { kind: 'srv', host, port: 0 };
    }
    case 'dns': {
      const address = addressOf(rest);
      if (typeof address === 'string') return address;
      if (isIP(address.host) !== 0) return `looks up ${address.host}, which is an address: leave dns: out`;
      return { kind: 'dns', ...address };
    }
    case 'http':
    case 'https':
      if (rest.startsWith('//')) return urlOf(scheme.toLowerCase(), rest.slice(2));
  }
  if (text.includes('://')) return 'has another scheme than http:// and https://';
  const address = addressOf(text);
  return typeof address === 'string' ? address : { kind: 'host', ...address };
}

function socketOf(path: string): Target | string {
  if (!isSocketPath(path)) return 'is no unix:/PATH: the path of a socket begins with "/"';
  if (path.includes('\0') || path.endsWith('/')) return 'is no path of a socket';
  if (Buffer.byteLength(path) > LONGEST_PATH_BYTES)
    return `has a path of more than ${LONGEST_PATH_BYTES} bytes, which no socket can have`;
  return { kind: 'host', host: path, port: 0 };
}

function urlOf(scheme: string, rest: string): Target | string {
  const authority = rest.replace(/\/$/, '');
  if (/[/?#]/.test(authority)) return 'has a path, and requests keep their own: give host and port alone';
  if (authority.includes('@')) return 'has a user, whom torc has no use for: leave it out';
  const address = addressOf(authority, scheme === 'https' ? 443 : 80);
  if (typeof address === 'string') return address;
  if (scheme === 'http') return { kind: 'host', ...address };
  const serverName = isIP(address.host) === 0 ? withoutDot(address.host) : '';
  return { kind: 'host', ...address, tls: { serverName, ca: null } };
}

type AttributeName = 'name' | 'weight' | 'id' | 'ca' | 'sni';

/** `hint`: what it may be. */
const ATTRIBUTES: Readonly<Record<AttributeName, { isWell: (value: string) => boolean; hint: string }>> = {
  name: { isWell: isGivenName, hint: 'of letters, digits and inner _ . : ~ -' },
  weight: { isWell: value => isWhole(value, MOST_WEIGHT), hint: `a whole number, 1 to ${MOST_WEIGHT}` },
  id: { isWell: value => isWhole(value, 2 ** 31 - 1), hint: `a whole number, 1 to ${2 ** 31 - 1}` },
  ca: { isWell: value => /^[^\0]+$/.test(value), hint: 'a path' },
  sni: { isWell: value => HOST.test(value) && isIP(value) === 0, hint: 'a host name' },
};

const isWhole = (value: string, most: number): boolean =>
  /^[1-9]\d{0,9}$/.test(value) && Number(value) <= most;

const isAttribute = (key: string): key is AttributeName => Object.hasOwn(ATTRIBUTES, key);

function attributesOf(parts: readonly string[], isTls: boolean): Attributes | string {
  const attributes: Attributes = {};
  for (const part of parts) {
    const [key = '', ...more] = part.split('=');
    const value = more.join('=');
    if (!isAttribute(key))
      return `has "${shown(part)}" behind it, where only ;name=, ;weight=, ;id=, and with https:// ;ca= and ;sni=, can be`;
    if ((key === 'ca' || key === 'sni') && !isTls) return `has ;${key}=, which is read with https:// alone`;
    if (attributes[key] !== undefined) return `has two ;${key}=`;
    const { isWell, hint } = ATTRIBUTES[key];
    if (!isWell(value)) return `has the ${key} "${shown(value)}", which is not ${hint}`;
    attributes[key] = value;
  }
  return attributes;
}

/** What it is called where nobody said. A path's `/` would end a name in a URL. */
function nameOf({ kind, host, port }: Target): string {
  if (kind === 'srv') return withoutDot(host);
  if (!isSocketPath(host)) return addressName(host, port);
  return `unix${host.replaceAll('/', ':').replace(/[^a-z0-9_.:~-]/gi, '_')}`;
}

/** `schemePort`: where none is given; absent: one must be. */
function addressOf(text: string, schemePort?: number): { host: string; port: number } | string {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::([^:]*))?$/.exec(text);
  if (!match) return 'is no host:port (an IPv6 address stands in brackets: [::1]:80)';
  const [, bracketed = '', digits = schemePort === undefined ? '' : `${schemePort}`] = match;
  const inner = bracketed.replace(/^\[|\]$/g, '');
  if (bracketed.startsWith('[') && !ipaddr.IPv6.isValid(inner))
    return `has no IPv6 address in ${shown(bracketed)}`;
  const host = hostOf(inner);
  if (host === null)
    return inner === '' ? 'has no host' : `has the host "${shown(inner)}", which cannot be one`;
  if (digits === '') return 'has no port';
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  return port >= 1 && port <= 65535
    ? { host, port }
    : `has the port "${shown(digits)}", which is not 1 to 65535`;
}

function hostOf(text: string): string | null {
  if (ipaddr.IPv6.isValid(text)) return ipaddr.parse(text).toString();
  return HOST.test(text) ? text.toLowerCase() : null;
}

/**
 * HAProxy's id of each server of a list: what it says, else the first that is free from its place on, as that program counts.
 * Only those that are one server have one.
 */
export function serverIds(upstreams: readonly GivenUpstream[]): Map<string, number> {
  const ids = new Map<string, number>();
  const taken = new Set(upstreams.flatMap(({ serverId }) => serverId ?? []));
  let next = 1;
  for (const { kind, name, serverId } of upstreams) {
    if (kind === 'host') {
      if (serverId === undefined) while (taken.has(next)) next++;
      ids.set(name, serverId ?? next);
      taken.add(ids.get(name)!);
    }
    next++;
  }
  return ids;
}

/** What is wrong with a list although each of its upstreams is well: slots of one name, one replica twice. */
export function listFaults(upstreams: readonly GivenUpstream[]): string[] {
  const faults: string[] = [];
  const names = new Set<string>();
  const targets = new Set<string>();
  for (const { kind, host, port, name } of upstreams) {
    const target = `${kind === 'host' ? '' : `${kind}:`}${kind === 'srv' ? host : addressName(host, port)}`;
    if (targets.has(target)) faults.push(`names ${target} twice: one slot each is enough`);
    else if (names.has(`${kind} ${name}`.toLowerCase()))
      faults.push(`has two upstreams of the name ${name}: give one of them another, ;name=NAME`);
    targets.add(target);
    names.add(`${kind} ${name}`.toLowerCase());
  }
  const ids = upstreams.flatMap(({ serverId }) => serverId ?? []);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) faults.push(`has two upstreams of the id ${twice}`);
  if (upstreams.length > MOST) faults.push(`has ${upstreams.length} upstreams, and ${MOST} are the most`);
  const weight = upstreams.reduce((sum, each) => sum + (each.weight ?? 1), 0);
  if (weight > MOST_WEIGHT_IN_ALL)
    faults.push(
      `has weights of ${weight} in all, and ${MOST_WEIGHT_IN_ALL} are the most: only their ratios matter`,
    );
  return faults;
}

/** The list of a setting: every wrong part is named. */
export const upstreamList: Kind<readonly GivenUpstream[]> = {
  schema: z.string().transform((text, context): readonly GivenUpstream[] => {
    const parts = text.trim() === '' ? [] : text.split(',').map(part => part.trim());
    const wrong: string[] = [];
    const upstreams = parts.flatMap(part => {
      const parsed = parseUpstream(part);
      if (typeof parsed !== 'string') return parsed;
      wrong.push(`"${shown(part)}" ${parsed}`);
      return [];
    });
    if (wrong.length > 0)
      context.addIssue({ code: 'custom', message: `has ${wrong.length} wrong: ${wrong.join('; ')}` });
    for (const message of wrong.length > 0 ? [] : listFaults(upstreams))
      context.addIssue({ code: 'custom', message });
    return upstreams;
  }),
  allowed: `${UPSTREAM_FORMS}; several with commas`,
  isList: true,
};

const shown = (text: string): string =>
  text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}...` : text;
