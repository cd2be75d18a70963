// The banner: what a person must find again after a start. One line of the log, or a block on a terminal: where torc
// listens, what makes the replicas and what they run, which are ready and why others are not, and where to ask more.

import { availableParallelism } from 'node:os';
import { isLoopback } from './admin/access.ts';
import { addressesOf } from './config/addresses.ts';
import { adminAddressOf } from './config/admin-address.ts';
import type { Config } from './config/fields.ts';
import type { Driver } from './control/driver.ts';
import { isNotice, type Supervisor } from './control/supervisor.ts';
import type { Address } from './core/address.ts';
import { hostPort, isSocketPath } from './core/host-port.ts';
import type { ProcessLog } from './core/log.ts';

const MOST_NAMED = 20;

export interface Banner {
  readonly version: string;
  readonly config: Config;
  readonly driver: Pick<Driver, 'name' | 'program' | 'publishedAt'>;
  readonly supervisor: Supervisor;
  readonly hasTokens: boolean;
  readonly always: ProcessLog['always'];
}

/** Told at once: torc is ready when a replica is; until then, and where some are not, it is a warning that says why. */
export function announce(banner: Banner): void {
  const { version, config, driver, supervisor, hasTokens, always } = banner;
  const [{ host, port }, ...others] = addressesOf(config).filter(({ tls }) => !tls) as [
    Address,
    ...Address[],
  ];
  const published = driver.publishedAt?.(port) ?? null;
  const url = published ?? urlOf(host, port);
  const secure = secureUrlOf(config, port => driver.publishedAt?.(port) ?? null);
  const where = [
    published === null ? url : `${url} (published)`,
    ...others.map(other => urlOf(other.host, other.port)),
    ...(secure === null ? [] : [secure]),
  ].join(' and ');
  const slots = supervisor.slots();
  const missing = slots.filter(slot => slot.state !== 'ready');
  const ready = slots.length - missing.length;
  const fields = {
    url,
    ...(secure === null ? {} : { https: secure }),
    version,
    driver: driver.name,
    ...(driver.program === undefined ? {} : { program: driver.program }),
    replicas: shortened(slots.map(slot => slot.name)),
    ready,
    workers: config.workers === 0 ? availableParallelism() : config.workers,
    admin: whereToAsk(config, hasTokens, port => driver.publishedAt?.(port) ?? null),
    ...(missing.length === 0
      ? {}
      : {
          notReady: shortened(
            missing.map(({ name, failing, change }) => `${name}: ${failing?.cause ?? change.cause}`),
          ),
        }),
  };
  if (missing.length === 0 && ready > 0) always(fields, `torc is ready on ${where}`);
  else if (ready > 0)
    always(fields, `torc is ready on ${where}, but only ${ready} of ${slots.length} replicas are`, 'warn');
  else {
    always(fields, `torc listens on ${where}, but no replica is ready yet`, 'warn');
    const unsubscribe = supervisor.subscribe(event => {
      if (isNotice(event) || event.to !== 'ready' || event.spare) return;
      unsubscribe();
      announce(banner);
    });
  }
}

/** For a service manager's one line. */
export function readyLine(supervisor: Supervisor): string {
  const slots = supervisor.slots();
  return `${slots.filter(({ state }) => state === 'ready').length} of ${slots.length} replicas are ready`;
}

/** A line has its bound, and the log would cut what stands in it where it is longest. */
const shortened = (names: readonly string[]): readonly string[] =>
  names.length <= MOST_NAMED
    ? names
    : [...names.slice(0, MOST_NAMED), `and ${names.length - MOST_NAMED} more: see /admin/slots`];

function urlOf(listenHost: string, port: number): string {
  if (isSocketPath(listenHost)) return hostPort(listenHost, port);
  const host = listenHost === '0.0.0.0' || listenHost === '::' ? '127.0.0.1' : listenHost;
  return `http://${hostPort(host, port)}`;
}

function secureUrlOf(
  { host, httpsPort }: Config,
  publishedAt: (port: number) => string | null,
): string | null {
  if (httpsPort === null) return null;
  return (publishedAt(httpsPort) ?? urlOf(host, httpsPort)).replace('http:', 'https:');
}

/** For the banner: where the control endpoints are, or why nowhere. */
function whereToAsk(
  config: Config,
  hasTokens: boolean,
  publishedAt: (port: number) => string | null,
): string {
  const slotsAt = (host: string, port: number): string =>
    `${publishedAt(port) ?? urlOf(host, port)}/admin/slots`;
  const own = adminAddressOf(config);
  if (own !== null) return 'path' in own ? `unix:${own.path}` : slotsAt(own.host, own.port);
  if (config.adminPaths === 'off-public')
    return 'closed: TORC_ADMIN_PATHS=off-public without TORC_ADMIN_PORT';
  const isOpen = hasTokens || config.adminOpen;
  const at = addressesOf(config).find(({ host }) => isOpen || (!isSocketPath(host) && isLoopback(host)));
  if (at === undefined) return 'closed on this listener: set TORC_ADMIN_TOKEN';
  if (isSocketPath(at.host)) return `${urlOf(at.host, at.port)}:/admin/slots (with a token)`;
  const who = config.adminOpen ? '' : ' (this machine; behind a proxy set TORC_ADMIN_TOKEN)';
  return `${slotsAt(at.host, at.port)}${hasTokens ? ' (with a token)' : who}`;
}
