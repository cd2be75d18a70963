// Settings of the replicas: who makes them, what they are, how many, and what becomes of them when torc ends. One row each;
// fields.ts says what a row is.

import { DRIVERS, type DriverName, flag, list, oneOf, parseAddress, row, text, whole } from './kinds.ts';

const DOCKER: readonly DriverName[] = ['docker'];
const PROCESS: readonly DriverName[] = ['process'];
const STATIC: readonly DriverName[] = ['static'];
/** Those that make replicas, and so decide how many. */
const MAKERS: readonly DriverName[] = ['docker', 'process'];

export const replicasFields = {
  driver: row(
    'TORC_DRIVER',
    oneOf('auto', ...DRIVERS),
    'auto',
    '',
    'what makes the replicas; auto: the one that the other settings name (TORC_IMAGE: docker, TORC_REPLICA_COMMAND: process, TORC_UPSTREAMS: static; a Compose service: docker, or process where it has no image), else the demo program, in Docker where an engine answers',
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
    list(parseAddress, 'host:port,host:port,...'),
    null,
    '',
    'static driver: the given replicas; nothing is created, heartbeats eject and readmit',
    STATIC,
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
    '5000',
    '',
    'docker driver: port the image listens on; where it is another, no heartbeat is answered and no slot gets ready',
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
    'docker driver: reach replicas by container address (Linux) or by a port published on 127.0.0.1',
    DOCKER,
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
