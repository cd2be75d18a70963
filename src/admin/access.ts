// Who may ask what. Pure: (settings, request, route) -> null when allowed, else the refusal. Three rules of the contract:
// the Host must be an address, localhost or a configured name (a page whose DNS name was rebound to us cannot ask);
// a body must say application/json (a form of a foreign page cannot post, and fetch would need a CORS preflight that we
// never grant); and what changes or reveals state needs a loopback listener, the token, or TORC_ADMIN_OPEN=true.

import { timingSafeEqual } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import type { Config } from '../config/fields.ts';
import type { AdminRequest } from '../core/messages.ts';

export interface Refusal {
  readonly status: 400 | 401 | 403 | 415;
  readonly message: string;
}

type AccessConfig = Pick<Config, 'host' | 'adminToken' | 'adminOpen' | 'adminHosts'>;

const HOW_TO_OPEN =
  'set TORC_ADMIN_TOKEN and send "Authorization: Bearer TOKEN", or listen on loopback, or set TORC_ADMIN_OPEN=true';

/** `open` routes (/rep, /requests/ID) only read the public counts; all others are protected. */
export function refusal(config: AccessConfig, request: AdminRequest, open: boolean): Refusal | null {
  if (!hostAllowed(config, request.host)) {
    return {
      status: 403,
      message: `the Host "${request.host}" may not ask: use an address or localhost, or name it in TORC_ADMIN_HOSTS`,
    };
  }
  if (request.body !== '' && !/^application\/json\s*(;|$)/i.test(request.contentType)) {
    return { status: 415, message: 'the body must be sent with "content-type: application/json"' };
  }
  if (open || isLoopback(config.host)) return null;
  return tokenRefusal(config, request);
}

/**
 * Whoever names a command runs it as torc's user. On loopback that would lend this user's rights to every other user of
 * the machine, so it needs the token (or TORC_ADMIN_OPEN) there too.
 */
export function commandRefusal(config: AccessConfig, request: AdminRequest): Refusal | null {
  if (config.adminToken !== null || config.adminOpen) return tokenRefusal(config, request);
  return {
    status: 403,
    message: 'a command is run as the user of torc, so naming one needs TORC_ADMIN_TOKEN, also on loopback',
  };
}

function tokenRefusal(config: AccessConfig, request: AdminRequest): Refusal | null {
  if (config.adminOpen) return null;
  if (config.adminToken === null)
    return { status: 403, message: `not open to this listener: ${HOW_TO_OPEN}` };
  if (tokenMatches(config.adminToken, request.authorization)) return null;
  return {
    status: 401,
    message: `needs the token: send "Authorization: Bearer TOKEN" with TORC_ADMIN_TOKEN's value`,
  };
}

/** 127.0.0.0/8, ::1 or localhost: only this machine can reach such a listener. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  return ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback';
}

function hostAllowed(config: AccessConfig, hostHeader: string): boolean {
  const host = hostHeader.replace(/:\d{1,5}$/, '').toLowerCase();
  if (host === 'localhost' || host === config.host.toLowerCase()) return true;
  if (config.adminHosts.includes(host)) return true;
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  return ipaddr.IPv4.isValidFourPartDecimal(bare) || (host !== bare && ipaddr.IPv6.isValid(bare));
}

function tokenMatches(token: string, authorization: string): boolean {
  const match = /^Bearer +(\S+)\s*$/i.exec(authorization);
  const given = Buffer.from(match?.[1] ?? '');
  const wanted = Buffer.from(token);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
