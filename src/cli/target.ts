// Where a command finds the running torc, and with which token it asks: by the very settings that the running one was
// started with (file, environment, flags), or at --url. Only what a person could do by hand: no pid file, no second
// channel, so that what works with curl works here. Files come by argument.

import { parseTokens } from '../admin/tokens.ts';
import { adminAddressOf } from '../config/admin-address.ts';
import type { Config } from '../config/fields.ts';
import { hostPort, isSocketPath } from '../core/host-port.ts';

export interface Target {
  /** As it is told in messages; an http or https origin, or unix:PATH. */
  readonly url: string;
  readonly socketPath: string | null;
  readonly token: string | null;
}

type Where = Pick<Config, 'host' | 'port' | 'listen' | 'adminListen' | 'adminPort' | 'adminPaths'>;

/** A listener on all addresses is asked on loopback. */
const reachable = (host: string): string =>
  host === '0.0.0.0' ? '127.0.0.1' : host === '::' || host === '[::]' ? '::1' : host;

/** A string says what is wrong. */
export function targetOf(config: Where, token: string | null): Target | string {
  const own = adminAddressOf(config);
  if (own !== null && 'path' in own) return { url: `unix:${own.path}`, socketPath: own.path, token };
  if (own === null && config.adminPaths === 'off-public')
    return 'the control endpoints are closed: TORC_ADMIN_PATHS=off-public without TORC_ADMIN_PORT';
  // Of several, one that a caller on this machine may ask without a token.
  const listed =
    config.listen.find(({ host }) => /^(?:127\.|::1$|localhost$)/.test(host)) ?? config.listen[0];
  const { host, port } = own ?? listed ?? config;
  if (isSocketPath(host)) return { url: `unix:${host}`, socketPath: host, token };
  return { url: `http://${hostPort(reachable(host), port)}`, socketPath: null, token };
}

/** Of --url: an origin, or unix:PATH. */
export function targetAt(text: string, token: string | null): Target | string {
  if (/^unix:./.test(text)) return { url: text, socketPath: text.slice('unix:'.length), token };
  const url = URL.canParse(text) ? new URL(text) : null;
  const isOrigin =
    url !== null && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '';
  if (!isOrigin)
    return `--url: "${text.slice(0, 80)}" is not where a torc answers; allowed: http://HOST:PORT, https://HOST:PORT, unix:/PATH`;
  return { url: url.origin, socketPath: null, token };
}

/** The token to ask with: the one setting, or the first of the file that may operate, else its first. */
export function tokenFor(token: string | null, fileText: string | null): string | null {
  if (token !== null || fileText === null) return token;
  if (typeof parseTokens(fileText) === 'string') return null;
  const lines = fileText
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(words => words[0] !== '' && !words[0]!.startsWith('#'));
  const best = lines.find(words => words.length === 1 || words[1] === 'operate') ?? lines[0];
  return best?.at(-1) ?? null;
}
