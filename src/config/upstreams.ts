// Given upstreams as people write them, one at a time: `host:port`, `dns:NAME:PORT` (each of its addresses is a replica),
// `srv:NAME`; behind each `;name=`. The same words in TORC_UPSTREAMS, with commas, and in a file, a line each. A slot is
// hashed by its name, so what is one name only by another spelling is made one here: letter case, forms of IPv6.

import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { hostPort } from '../core/host-port.ts';
import type { Kind } from './kinds.ts';

export interface GivenUpstream {
  /** `host`: one replica, also where its name has several addresses. */
  readonly kind: 'host' | 'dns' | 'srv';
  readonly host: string;
  /** 0 for `srv`, whose answers bring ports. */
  readonly port: number;
  /** The slot's name, or what its slots' names begin with. */
  readonly name: string;
}

export const UPSTREAM_FORMS =
  'host:port, dns:NAME:PORT or srv:NAME, each with ;name=NAME behind it if wanted';

/** More in a list are a mistake: no ring holds so many. */
const MOST = 1000;
const LONGEST_SHOWN = 80;
const HOST = /^[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_.])?$/i;
/** Stands in a URL (/requests/NAME), a header and a metric as it is. */
const SLOT_NAME = /^[a-z0-9_[]([a-z0-9_.:~[\]-]{0,253}[a-z0-9_\]])?$/i;

/** Whether a slot that somebody else fills may be called so. */
export const isGivenName = (name: string): boolean => SLOT_NAME.test(name);

/** `10.0.0.1:80`, `[::1]:80`. */
export const addressName = (host: string, port: number): string => hostPort(withoutDot(host), port);

/** "web." is looked up without search domains, and is the same name. */
export const withoutDot = (host: string): string => host.replace(/\.$/, '');

/** One upstream; a string says what is wrong with it. */
export function parseUpstream(text: string): GivenUpstream | string {
  const [target = '', ...attributes] = text.split(';').map(part => part.trim());
  let given: string | null = null;
  for (const attribute of attributes) {
    const [key, ...value] = attribute.split('=');
    if (key !== 'name') return `has "${shown(attribute)}" behind it, where only ;name= can be`;
    if (given !== null) return 'has two names';
    given = value.join('=');
    if (!isGivenName(given))
      return `has the name "${shown(given)}", which is not of letters, digits and inner _ . : ~ -`;
  }
  const kind = /^(dns|srv):/i.exec(target)?.[1]?.toLowerCase();
  if (kind === 'srv') {
    const host = hostOf(target.slice('srv:'.length));
    return host === null ? 'is no srv:NAME' : { kind, host, port: 0, name: given ?? withoutDot(host) };
  }
  const address = addressOf(kind === 'dns' ? target.slice('dns:'.length) : target);
  if (typeof address === 'string') return address;
  if (kind !== 'dns')
    return { kind: 'host', ...address, name: given ?? addressName(address.host, address.port) };
  if (isIP(address.host) !== 0) return `looks up ${address.host}, which is an address: leave dns: out`;
  return { kind: 'dns', ...address, name: given ?? addressName(address.host, address.port) };
}

function addressOf(text: string): { host: string; port: number } | string {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::([^:]*))?$/.exec(text);
  if (!match) return 'is no host:port (an IPv6 address stands in brackets: [::1]:80)';
  const [, bracketed = '', digits = ''] = match;
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

/** What is wrong with a list although each of its upstreams is well: slots of one name, one replica twice. */
export function listFaults(upstreams: readonly GivenUpstream[]): string[] {
  const faults: string[] = [];
  const names = new Set<string>();
  const targets = new Set<string>();
  for (const { kind, host, port, name } of upstreams) {
    const target = `${kind === 'host' ? '' : `${kind}:`}${kind === 'srv' ? host : addressName(host, port)}`;
    if (targets.has(target)) faults.push(`names ${target} twice: one slot each is enough`);
    else if (names.has(`${kind} ${name}`.toLowerCase())) faults.push(`has two upstreams of the name ${name}`);
    targets.add(target);
    names.add(`${kind} ${name}`.toLowerCase());
  }
  if (upstreams.length > MOST) faults.push(`has ${upstreams.length} upstreams, and ${MOST} are the most`);
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
