// Faults that settings make together, each of them right by itself, and what `auto` means beside the others: what somebody
// named is what runs, so a setting that one driver alone reads decides for that driver, and one that the driver does not
// read is a fault, because it would be ignored without a word. A setting that could not be read is undefined here and
// contradicts nothing.

import { isSocketPath } from '../core/host-port.ts';
import { knowsWeights } from '../core/types.ts';
import { type Config, type FieldKey, fields } from './fields.ts';
import type { DriverName } from './kinds.ts';

/** A driver, and the name of the setting that decided for it. */
export interface Meant {
  readonly driver: DriverName;
  readonly by: string;
}

/** What `auto` may try when nothing decides. */
const UNNAMED: readonly DriverName[] = ['docker', 'process'];

const isRead = (key: FieldKey, driver: DriverName): boolean => fields[key].readBy.includes(driver);

/** Swarm's own settings alone mean Swarm: an image without them is a container's here. */
const readersOf = (key: FieldKey): DriverName[] => fields[key].readBy.filter(driver => driver !== 'swarm');

/** Which driver the settings that were given ask for where TORC_DRIVER is `auto`; null: none of them does. */
export function meantBy(given: readonly FieldKey[]): Meant | null {
  const swarm = given.find(key => fields[key].readBy.every(driver => driver === 'swarm'));
  if (swarm !== undefined) return { driver: 'swarm', by: fields[swarm].name };
  const names = given.find(key => readersOf(key).length === 1);
  if (names !== undefined) return { driver: readersOf(names)[0]!, by: fields[names].name };
  const left = UNNAMED.filter(driver => given.every(key => isRead(key, driver)));
  const because = given.find(key => UNNAMED.some(driver => !isRead(key, driver)));
  if (left.length !== 1 || because === undefined) return null;
  return { driver: left[0]!, by: fields[because].name };
}

/** `driver` of the config is what was meant already; `given`: what was set, and is not a default. */
export function checkTogether(
  config: Config,
  given: readonly FieldKey[],
  meant: Meant | null,
  faults: string[],
): void {
  checkRead(config.driver, given, meant, faults);
  checkUpstreams(config, faults);
  if (config.driver === 'follow' && config.follow === null)
    faults.push(
      `TORC_FOLLOW: is not set, and TORC_DRIVER=follow needs it; allowed: ${fields.follow.allowed}`,
    );
  if (config.driver === 'swarm' && config.swarmService === null)
    faults.push(
      `TORC_SERVICE: is not set, and TORC_DRIVER=swarm needs it; allowed: ${fields.swarmService.allowed}`,
    );
  if (config.heartbeatPath === '' && config.driver !== 'static') {
    faults.push(
      'TORC_HEARTBEAT_PATH: is empty; allowed: a path that starts with "/" (empty only with TORC_DRIVER=static)',
    );
  }
  checkHeartbeats(config, given, faults);
  checkProtocol(config, faults);
  checkLending(config, faults);
  checkScaling(config, faults);
  checkAdmin(config, faults);
  checkTls(config, given, faults);
  if (config.key?.length === 0) faults.push(`TORC_KEY: is empty; allowed: ${fields.key.allowed}`);
}

/** A setting of another driver would be ignored without a word. */
function checkRead(
  driver: Config['driver'],
  given: readonly FieldKey[],
  meant: Meant | null,
  faults: string[],
): void {
  if (driver === undefined) return;
  const drivers = driver === 'auto' ? UNNAMED : [driver];
  const because = meant === null ? '' : ` (${meant.by} is set)`;
  for (const key of given) {
    if (drivers.some(name => isRead(key, name))) continue;
    const { name, readBy } = fields[key];
    faults.push(
      `${name}: is read by TORC_DRIVER=${readBy.join(' or ')} only, and this is ${driver}${because}; allowed: unset one of the two`,
    );
  }
}

/** What a heartbeat of each mode asks. */
const ASKED: Readonly<Record<Config['heartbeatMode'], readonly FieldKey[]>> = {
  http: ['heartbeatPath', 'heartbeatHost', 'heartbeatMethod', 'heartbeatStatus', 'heartbeatPort'],
  grpc: ['heartbeatHost', 'heartbeatPort'],
  tcp: ['heartbeatPort'],
  docker: [],
};

/** Whose replicas no engine here can be asked of. */
const NO_HEALTH: Readonly<Partial<Record<DriverName | 'auto', string>>> = {
  static: 'given',
  process: 'child processes',
  swarm: 'on other machines, where Swarm asks it before a task counts as running',
};

function checkHeartbeats(
  { driver, heartbeatMode }: Config,
  given: readonly FieldKey[],
  faults: string[],
): void {
  if (heartbeatMode === undefined) return;
  if (heartbeatMode === 'docker' && NO_HEALTH[driver] !== undefined)
    faults.push(
      `TORC_HEARTBEAT_MODE: docker asks a container's own health, and these replicas are ${NO_HEALTH[driver]}; allowed: http, tcp`,
    );
  for (const key of ASKED.http)
    if (given.includes(key) && !ASKED[heartbeatMode].includes(key))
      faults.push(
        `${fields[key].name}: is not asked with TORC_HEARTBEAT_MODE=${heartbeatMode}; allowed: unset one of the two`,
      );
}

/** Drivers that start no demo program. */
const GIVEN: readonly Config['driver'][] = ['static', 'follow', 'swarm'];

/** The demo program speaks HTTP/1.1. */
function checkProtocol(config: Config, faults: string[]): void {
  const { replicaProtocol, heartbeatMode, driver, image, replicaCommand, service } = config;
  if (heartbeatMode === 'grpc' && replicaProtocol === 'http1')
    faults.push(
      'TORC_HEARTBEAT_MODE: grpc needs replicas that speak HTTP/2; allowed: TORC_REPLICA_PROTOCOL=h2c beside it',
    );
  const isDemo = image === null && replicaCommand === null && !service;
  if (replicaProtocol === 'h2c' && isDemo && !GIVEN.includes(driver))
    faults.push(
      'TORC_REPLICA_PROTOCOL: h2c, and the demo program speaks HTTP/1.1; allowed: h2c beside what makes the replicas (TORC_REPLICA_COMMAND, TORC_IMAGE, a service, TORC_UPSTREAMS)',
    );
}

/** What would be ignored without a word. */
function checkLending(
  { balanceFactor, balanceWaitMs, lentStickyMs, slowStartMs, returnHow }: Config,
  faults: string[],
): void {
  for (const [name, value] of Object.entries({
    TORC_BALANCE_WAIT_MS: balanceWaitMs,
    TORC_LENT_STICKY_MS: lentStickyMs,
  }))
    if (value > 0 && balanceFactor === 0)
      faults.push(`${name}: no slot has a bound without TORC_BALANCE_FACTOR; allowed: set both`);
  if (returnHow === 'gradual' && slowStartMs === 0)
    faults.push('TORC_RETURN: gradual takes its time from TORC_SLOW_START_MS, which is 0; allowed: set both');
}

function checkUpstreams(
  { driver, upstreams, upstreamsFile, heartbeatPort, ring }: Config,
  faults: string[],
): void {
  if (driver === 'static' && upstreams?.length === 0 && upstreamsFile === null)
    faults.push(
      'TORC_UPSTREAMS: is empty, and TORC_DRIVER=static needs it; allowed: host:port,host:port,... or TORC_UPSTREAMS_FILE',
    );
  if (upstreams?.length > 0 && typeof upstreamsFile === 'string')
    faults.push('TORC_UPSTREAMS_FILE: TORC_UPSTREAMS is set too; allowed: unset one of the two');
  const weighted = upstreams?.find(({ weight = 1 }) => weight !== 1);
  if (weighted !== undefined && ring !== undefined && !knowsWeights(ring))
    faults.push(
      `TORC_UPSTREAMS: ${weighted.name} has a ;weight=, which TORC_RING=${ring} does not know; allowed: any ring but assignment and seed`,
    );
  const numbered = upstreams?.find(({ serverId }) => serverId !== undefined);
  if (numbered !== undefined && ring !== undefined && ring !== 'haproxy')
    faults.push(
      `TORC_UPSTREAMS: ${numbered.name} has an ;id=, which TORC_RING=${ring} does not read; allowed with TORC_RING=haproxy`,
    );
  const socket = upstreams?.find(({ host }) => isSocketPath(host));
  if (socket !== undefined && typeof heartbeatPort === 'number')
    faults.push(`TORC_HEARTBEAT_PORT: unix:${socket.host} has no port; allowed: unset it`);
}

function checkAdmin({ adminListen, adminPort, adminPaths }: Config, faults: string[]): void {
  const isSocket = adminListen?.startsWith('unix:') === true;
  if (isSocket && adminPort !== null)
    faults.push(
      'TORC_ADMIN_PORT: a unix socket (TORC_ADMIN_LISTEN) has no port; allowed: unset one of the two',
    );
  if (typeof adminListen === 'string' && !isSocket && adminPort === null)
    faults.push(
      'TORC_ADMIN_LISTEN: is an address without a port; allowed: TORC_ADMIN_PORT beside it, or unix:PATH',
    );
  if (adminPaths === 'separate' && adminPort === null && !isSocket)
    faults.push(
      'TORC_ADMIN_PATHS: separate needs a listener of its own; allowed: TORC_ADMIN_PORT or TORC_ADMIN_LISTEN=unix:PATH beside it',
    );
}

/** What only says how HTTPS is served. */
const OF_HTTPS: readonly FieldKey[] = [
  'httpsRedirect',
  'tls',
  'tlsCert',
  'tlsKey',
  'tlsClientCa',
  'tlsClient',
  'tlsTicketRotationMs',
  'maxHandshakes',
];

function checkTls(config: Config, given: readonly FieldKey[], faults: string[]): void {
  const { httpsPort, port, tls, tlsCert, tlsKey, tlsClientCa } = config;
  if (httpsPort === undefined) return;
  if (httpsPort === null) {
    for (const key of OF_HTTPS)
      if (given.includes(key))
        faults.push(`${fields[key].name}: is read by HTTPS only; allowed: TORC_HTTPS_PORT beside it`);
    return;
  }
  if (httpsPort === port) faults.push('TORC_HTTPS_PORT: is PORT too; allowed: another port');
  if (tls === 'self-signed' && (given.includes('tlsCert') || given.includes('tlsKey')))
    faults.push('TORC_TLS: self-signed needs no files; allowed: unset it, or TORC_TLS_CERT and TORC_TLS_KEY');
  if (tls === 'files' && tlsCert?.length === 0)
    faults.push(
      'TORC_TLS_CERT: is empty, and TORC_HTTPS_PORT needs it; allowed: a list of PEM files, or TORC_TLS=self-signed for trying',
    );
  if (tls === 'files' && tlsCert?.length !== tlsKey?.length)
    faults.push(
      `TORC_TLS_KEY: has ${tlsKey?.length} files, and TORC_TLS_CERT ${tlsCert?.length}; allowed: a key for each certificate, in the same order`,
    );
  if (tlsClientCa === null && given.includes('tlsClient'))
    faults.push('TORC_TLS_CLIENT: no authority is named; allowed: TORC_TLS_CLIENT_CA beside it');
}

function checkScaling({ least, most, replicas, driver }: Config, faults: string[]): void {
  if (most === null || most === undefined) return;
  if (least > most) faults.push(`TORC_MIN: ${least} is more than TORC_MAX=${most}; allowed: at most as many`);
  else if (driver !== 'swarm' && (replicas < least || replicas > most))
    faults.push(`TORC_REPLICAS: ${replicas} is not from TORC_MIN=${least} to TORC_MAX=${most}`);
}
