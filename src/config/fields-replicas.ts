// Settings of the replicas: who makes them, what they are, how many, and what becomes of them when torc ends. One row each;
// fields.ts says what a row is.

import { follow } from './follow.ts';
import {
  DRIVERS,
  type DriverName,
  flag,
  list,
  oneOf,
  parseCapability,
  parseServer,
  row,
  text,
  whole,
} from './kinds.ts';
import { upstreamList } from './upstreams.ts';

const DOCKER: readonly DriverName[] = ['docker'];
const PROCESS: readonly DriverName[] = ['process'];
const STATIC: readonly DriverName[] = ['static'];
const FOLLOW: readonly DriverName[] = ['follow'];
/** Those whose replicas are containers. */
const CONTAINERS: readonly DriverName[] = ['docker', 'follow'];
/** Those that make replicas, and so decide how many. */
const MAKERS: readonly DriverName[] = ['docker', 'process'];

export const replicasFields = {
  driver: row(
    'TORC_DRIVER',
    oneOf('auto', ...DRIVERS),
    'auto',
    '',
    'what makes the replicas; auto: the one that the other settings name (TORC_IMAGE: docker, TORC_REPLICA_COMMAND: process, TORC_UPSTREAMS: static, TORC_FOLLOW: follow; a Compose service: docker, or process where it has no image), else the demo program, in Docker where an engine answers',
  ),
  configFile: row(
    'TORC_CONFIG',
    text(/^[^\0]+$/, 'is not a path', 'a path'),
    null,
    '',
    'settings file: every setting by its flag without --, and replica:, a Compose service; unset: torc.yaml, if it is there',
  ),
  compose: row(
    'TORC_COMPOSE',
    list(item => (item === '' ? null : item), 'a list of Compose files'),
    null,
    '',
    'Compose files that say what a replica is, merged as by docker compose -f; the flag may be given several times',
    MAKERS,
  ),
  composeService: row(
    'TORC_COMPOSE_SERVICE',
    text(/^[A-Za-z0-9._-]+$/, 'is not the name of a service', 'letters, digits, ".", "_", "-"'),
    null,
    '',
    'the service of these files; may be left out where they have one alone',
    MAKERS,
  ),
  replicas: row(
    'TORC_REPLICAS',
    whole(1, 1000),
    '3',
    '',
    'replicas kept alive at start, named 1 to N',
    MAKERS,
  ),
  least: row('TORC_MIN', whole(1, 1000), '1', '', 'autoscaling: fewest replicas', MAKERS),
  most: row(
    'TORC_MAX',
    whole(1, 1000),
    null,
    '',
    'autoscaling: most replicas; unset: no autoscaling',
    MAKERS,
  ),
  scaleTarget: row(
    'TORC_SCALE_TARGET',
    whole(1, 100000),
    '10',
    'requests',
    'autoscaling: requests in flight per replica that are aimed at',
    MAKERS,
  ),
  scalePeriodMs: row(
    'TORC_SCALE_PERIOD_MS',
    whole(100, 3600000),
    '15000',
    'ms',
    'autoscaling: over which requests in flight are averaged before each decision',
    MAKERS,
  ),
  scaleDownWindowMs: row(
    'TORC_SCALE_DOWN_WINDOW_MS',
    whole(0, 3600000),
    '300000',
    'ms',
    'autoscaling: replicas go only when none of the decisions of this time would have kept them',
    MAKERS,
  ),
  upstreams: row(
    'TORC_UPSTREAMS',
    upstreamList,
    null,
    '',
    'static driver: the given replicas; nothing is created, heartbeats eject and readmit',
    STATIC,
  ),
  upstreamsFile: row(
    'TORC_UPSTREAMS_FILE',
    text(/^[^\0]+$/, 'is no path', 'a path'),
    null,
    '',
    'static driver: the same from a file, an upstream a line; followed when it changes',
    STATIC,
  ),
  dnsIntervalMs: row(
    'TORC_DNS_INTERVAL_MS',
    whole(100, 3600000),
    '5000',
    'ms',
    'static driver: names are asked for again at least so often, sooner where their TTL is shorter',
    STATIC,
  ),
  dnsServers: row(
    'TORC_DNS_SERVERS',
    list(parseServer, 'a list of addresses, with :port where it is not 53'),
    null,
    '',
    "static driver: name servers for dns: and srv: upstreams; unset: the system's",
    STATIC,
  ),
  follow: row(
    'TORC_FOLLOW',
    follow,
    null,
    '',
    'follow driver: the containers that somebody else runs and torc routes over: a Compose service, or all with these labels',
    FOLLOW,
  ),
  image: row(
    'TORC_IMAGE',
    text(/^[\w][\w./:@-]*$/, 'is not an image name', 'an image name, as docker run takes it'),
    null,
    '',
    'docker driver: image of a replica, any HTTP program; unset: the demo program, torc-replica',
    DOCKER,
  ),
  replicaPort: row(
    'TORC_REPLICA_PORT',
    whole(1, 65535),
    null,
    '',
    'port that a replica listens on; unset: the one TCP port that its service (ports, expose, PORT) or its image (EXPOSE) names, else 5000 (docker), or that the container has as label torc.port, EXPOSEs or publishes (follow)',
    CONTAINERS,
  ),
  capAdd: row(
    'TORC_CAP_ADD',
    list(parseCapability, 'a list of capabilities (CHOWN, SETUID, ...)'),
    null,
    '',
    'docker driver: capabilities that replicas get although torc drops all; images that start as root and become another user need CHOWN,SETGID,SETUID',
    DOCKER,
  ),
  network: row(
    'TORC_NETWORK',
    text(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, 'is not a network name', 'letters, digits, "_", ".", "-"'),
    'torc',
    '',
    'docker driver: user-defined network of the replicas; also tells one torc from another on one engine',
    DOCKER,
  ),
  dockerReach: row(
    'TORC_DOCKER_REACH',
    oneOf('auto', 'ip', 'published'),
    'auto',
    '',
    'reach containers by their address (Linux) or by a published port',
    CONTAINERS,
  ),
  replicaCommand: row(
    'TORC_REPLICA_COMMAND',
    text(/\S/, 'is empty', 'a command line'),
    null,
    '',
    'process driver: command of a replica, run by the shell; gets PORT and SERVER_ID, and {{port}}, {{slot}}, {{generation}} are filled in; the end of its output is in the log when it does not come up; unset: the demo program',
    PROCESS,
  ),
  spares: row(
    'TORC_SPARES',
    whole(0, 100),
    '0',
    '',
    'warm spares: started, proven, outside the table',
    MAKERS,
  ),
  adopt: row('TORC_ADOPT', flag, 'true', '', 'take over replicas that an earlier run left behind', MAKERS),
  onExit: row(
    'TORC_ON_EXIT',
    oneOf('remove', 'keep'),
    'remove',
    '',
    'what happens to replicas when torc exits',
    MAKERS,
  ),
  drainTimeoutMs: row(
    'TORC_DRAIN_TIMEOUT_MS',
    whole(0, 3600000),
    '10000',
    'ms',
    'how long /rm, replacement and exit wait for requests in flight',
  ),
  stateDir: row(
    'TORC_STATE_DIR',
    text(/^\/[^\0]*$/, 'is not an absolute path', 'an absolute path'),
    null,
    '',
    "what must outlive torc: identity, records of replicas, events; unset: the platform's place for state",
  ),
} as const;
