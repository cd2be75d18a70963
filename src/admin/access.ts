// Who may ask what. Pure: (rules of the listener, head of the request, what the route needs) -> who asks, or the refusal;
// the body is not read before. Each rule shuts one door:
// - a token that is set is always asked for, on loopback too, because any proxy in front makes everybody local;
// - without one, only requests that came straight from this machine to a listener that only it reaches (a proxy that adds
//   nothing to what it passes on cannot be told from a local caller: where one stands in front, a token must be set);
// - nothing from the replicas' network: a replica that was taken over must not administer what runs it;
// - the Host must be an address, localhost or a configured name (a page whose DNS name was rebound to us cannot ask);
// - a body must say application/json, and nothing is asked by a foreign page (a form cannot post JSON, and fetch would
//   need a CORS preflight that is never granted); a link to what is read is no question of the page.

import ipaddr from 'ipaddr.js';
import type { AdminRequest } from '../core/messages.ts';
import { bearerOf, type Token, tokenOf } from './tokens.ts';

/**
 * What a route needs: nothing, to look, or to change something. `page` is the empty page, which asks for the token: who
 * would be asked for one gets it without, where all is closed it is too.
 */
export type Need = 'nothing' | 'page' | 'read' | 'operate';

export interface Refusal {
  readonly status: 400 | 401 | 403 | 413 | 415;
  readonly message: string;
  /** What refusals are counted by. */
  readonly reason: 'host' | 'network' | 'origin' | 'body' | 'token' | 'role' | 'closed';
}

/** Who asks, for the log: a token's name, or where from. */
export interface Caller {
  readonly who: string;
}

export interface AccessRules {
  /**
   * Only this machine reaches the listener, and nobody asks there for others: loopback, or the control side's own unix socket.
   * A public one is made for a proxy.
   */
  readonly isLocal: boolean;
  /** The listener's own name or address, '' for a unix socket. */
  readonly host: string;
  readonly tokens: readonly Token[];
  readonly adminOpen: boolean;
  readonly adminHosts: readonly string[];
  readonly isReplicaPeer: (address: string) => boolean;
  /** A proxy of TORC_TRUSTED_PROXIES: it is on this machine, perhaps, but who asks through it need not be. */
  readonly isTrustedProxy: (address: string) => boolean;
}

export const BODY_LIMIT_BYTES = 64 * 1024;

const SEND_TOKEN = 'send "Authorization: Bearer TOKEN"';
const HOW_TO_OPEN = `set TORC_ADMIN_TOKEN and ${SEND_TOKEN}, or set TORC_ADMIN_OPEN=true`;
/** Fields that say that the request came through somebody; CGI-like hops write `_` for `-`. */
const FORWARDED =
  /^(?:x-forward.*|x-original-.*|forwarded.*|via|cdn-loop|(?:.*-)?(?:real|client|connecting|connection|remote|source|peer)-?(?:ip|addr|address)|cf-.*|x-envoy-.*|x-amzn-trace-id)$/;

export const isRefusal = (verdict: Caller | Refusal): verdict is Refusal => 'status' in verdict;

export function judge(rules: AccessRules, request: AdminRequest, need: Need): Caller | Refusal {
  return (
    hostRefusal(rules, request) ??
    networkRefusal(rules, request) ??
    pageRefusal(request, need) ??
    bodyRefusal(request) ??
    (need === 'nothing' ? { who: 'anybody' } : callerOf(rules, request, need))
  );
}

/** Whether the caller might also ask for what needs `read`: then /requests/ID shows more. */
export const mayRead = (rules: AccessRules, request: AdminRequest): boolean =>
  !isRefusal(callerOf(rules, request, 'read'));

/** What who reads may do besides: the page shows nothing that would be refused. */
export interface Rights {
  readonly name: string;
  /** May change something. */
  readonly operate: boolean;
  /** May name a command, too. */
  readonly command: boolean;
}

export function rightsOf(rules: AccessRules, request: AdminRequest): Rights {
  const caller = callerOf(rules, request, 'read');
  const operate = !isRefusal(callerOf(rules, request, 'operate'));
  return {
    name: isRefusal(caller) ? '' : caller.who,
    operate,
    command: operate && commandRefusal(rules) === null,
  };
}

/**
 * Whoever names a command runs it as torc's user. On loopback that would lend this user's rights to every other user of
 * the machine, so it needs a token (or TORC_ADMIN_OPEN) there too.
 */
export function commandRefusal(rules: AccessRules): Refusal | null {
  if (rules.tokens.length > 0 || rules.adminOpen) return null;
  return refuse(
    403,
    'closed',
    'a command is run as the user of torc, so naming one needs TORC_ADMIN_TOKEN, also on loopback',
  );
}

function callerOf(rules: AccessRules, request: AdminRequest, need: Need): Caller | Refusal {
  if (rules.tokens.length > 0)
    return need === 'page' ? { who: 'anybody' } : tokenCaller(rules.tokens, request, need);
  if (rules.adminOpen) return { who: 'anybody (TORC_ADMIN_OPEN)' };
  if (!rules.isLocal)
    return refuse(403, 'closed', `not open to this listener: ${HOW_TO_OPEN}, or listen on loopback`);
  if (request.isTold) {
    return refuse(
      403,
      'closed',
      `a proxy of TORC_PROXY_PROTOCOL passed this on, so it came perhaps not from this machine: ${HOW_TO_OPEN}`,
    );
  }
  if (request.peer !== '' && rules.isTrustedProxy(request.peer)) {
    return refuse(
      403,
      'closed',
      `${request.peer} is a proxy of TORC_TRUSTED_PROXIES, so this came perhaps not from this machine: ${HOW_TO_OPEN}`,
    );
  }
  const through = fieldNames(request).find(name => FORWARDED.test(name.replaceAll('_', '-')));
  if (through !== undefined) {
    return refuse(
      403,
      'closed',
      `the request has the field "${through}", so it came through a proxy and perhaps not from this machine: ${HOW_TO_OPEN}`,
    );
  }
  if (!request.isHttp11) {
    return refuse(
      403,
      'closed',
      `HTTP/1.0 is what proxies speak unless they are told otherwise, so it perhaps came not from this machine: ${HOW_TO_OPEN}`,
    );
  }
  return { who: 'this machine' };
}

function tokenCaller(tokens: readonly Token[], request: AdminRequest, need: Need): Caller | Refusal {
  const given = bearerOf(valuesOf(request, 'authorization'));
  const token = given === null ? null : tokenOf(tokens, given);
  if (token === null) {
    const wrong = given === null ? 'needs a token' : 'the token is not known';
    return refuse(401, 'token', `${wrong}: ${SEND_TOKEN} (TORC_ADMIN_TOKEN, TORC_ADMIN_TOKEN_FILE)`);
  }
  if (need === 'operate' && token.role === 'read') {
    return refuse(
      403,
      'role',
      `the token "${token.name}" may only read: this needs one with the role "operate"`,
    );
  }
  return { who: token.name };
}

function hostRefusal(rules: AccessRules, request: AdminRequest): Refusal | null {
  const hosts = valuesOf(request, 'host');
  if (hosts.length !== 1)
    return refuse(400, 'host', `the request has ${hosts.length === 0 ? 'no' : 'more than one'} Host`);
  // In absolute form the target's own authority is the host (RFC 9112 section 3.2.2): both must be allowed.
  const authority = /^https?:\/\/([^/?]*)/i.exec(request.target)?.[1] ?? hosts[0]!;
  const refused = [hosts[0]!, authority].find(host => !isHostAllowed(rules, host))?.replace(/^.*@/s, '');
  if (refused === undefined) return null;
  return refuse(
    403,
    'host',
    `the host "${refused.slice(0, 100)}" may not ask: use an address or localhost, or name it in TORC_ADMIN_HOSTS`,
  );
}

function isHostAllowed(rules: AccessRules, hostHeader: string): boolean {
  const host = hostHeader.replace(/:\d{1,5}$/, '').toLowerCase();
  if (host === 'localhost' || (host !== '' && host === rules.host.toLowerCase())) return true;
  if (rules.adminHosts.includes(host)) return true;
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  return ipaddr.IPv4.isValidFourPartDecimal(bare) || (host !== bare && ipaddr.IPv6.isValid(bare));
}

function networkRefusal(rules: AccessRules, request: AdminRequest): Refusal | null {
  if (request.peer === '' || !rules.isReplicaPeer(request.peer)) return null;
  return refuse(403, 'network', "torc cannot be administered from the replicas' network");
}

/**
 * A browser says where the page is from that asks; other programs say nothing (Fetch Metadata, sections 2.1 to 2.4; Fetch,
 * section 3.1). A page of another site may show a link to what is read, no more: it could not see an answer, but it
 * could have torc work for it.
 */
function pageRefusal(request: AdminRequest, need: Need): Refusal | null {
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (reads && (need === 'nothing' || valuesOf(request, 'sec-fetch-dest')[0] === 'document')) return null;
  const isSame = (site: string): boolean => site === 'none' || site === 'same-origin';
  const host = valuesOf(request, 'host')[0]?.toLowerCase();
  const isForeign = valuesOf(request, 'origin').some(origin => hostOf(origin) !== host);
  if (!isForeign && valuesOf(request, 'sec-fetch-site').every(isSame)) return null;
  return refuse(403, 'origin', 'a page of another site may not ask this');
}

const hostOf = (origin: string): string =>
  origin
    .trim()
    .toLowerCase()
    .replace(/^https?:\/\//, '');

function bodyRefusal(request: AdminRequest): Refusal | null {
  const codings = valuesOf(request, 'transfer-encoding').map(coding => coding.toLowerCase());
  if (codings.length > 0 && (codings.length > 1 || codings[0] !== 'chunked' || !request.isHttp11))
    return refuse(400, 'body', 'the only transfer coding is chunked, once, and in HTTP/1.1');
  if (!request.hasBody) return null;
  if (valuesOf(request, 'content-length').some(length => Number(length) > BODY_LIMIT_BYTES))
    return refuse(413, 'body', 'the body is over 64 KiB');
  const types = valuesOf(request, 'content-type');
  if (types.length === 1 && /^application\/json\s*(;|$)/i.test(types[0]!)) return null;
  return refuse(415, 'body', 'the body must be sent with "content-type: application/json"');
}

/** 127.0.0.0/8, ::1 or localhost: only this machine can reach such a listener. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  return ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback';
}

const refuse = (status: Refusal['status'], reason: Refusal['reason'], message: string): Refusal => ({
  status,
  message,
  reason,
});

/** All values of a field, in the order they came. */
export function valuesOf({ rawHeaders }: AdminRequest, lowerName: string): string[] {
  const values: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]!.toLowerCase() === lowerName) values.push(rawHeaders[index + 1]!);
  return values;
}

const fieldNames = ({ rawHeaders }: AdminRequest): string[] =>
  rawHeaders.filter((_, index) => index % 2 === 0).map(name => name.toLowerCase());
