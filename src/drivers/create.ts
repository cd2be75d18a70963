// Which driver serves. What somebody named is what runs: the settings have decided already (config/check.ts), unless they
// name nothing at all; then it is the demo program, in Docker where an engine answers a ping at once, else as child
// processes. Only a ping is made here: what a driver needs (image, network) it checks in `open`, when torc's port is taken
// already.

import { join } from 'node:path';
import type { Meant } from '../config/check.ts';
import type { Config } from '../config/fields.ts';
import type { Driver } from '../control/driver.ts';
import { systemClock } from '../core/clock.ts';
import { StartError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { commandLineOf } from '../service/process.ts';
import { DEMO_PROGRAM } from './demo.ts';
import type { ReplicaWords } from './docker/definition.ts';
import { instanceId } from './instance.ts';
import { ProcessDriver, type ProcessWords } from './process/driver.ts';
import { Rolled } from './rolled.ts';
import { Dns } from './static/dns.ts';
import { StaticDriver } from './static/driver.ts';
import { VersionFile } from './version-file.ts';

export interface DriverSurroundings {
  /** What decided for config.driver where TORC_DRIVER did not. */
  readonly meant: Meant | null;
  /** Where state is kept (drivers/state.ts). */
  readonly stateRoot: string;
  readonly log: Log;
  /** Told what takes long at start: an image being built. */
  readonly progress: (text: string) => void;
}

/** A driver, and what other settings mean for it. */
export interface MadeDriver {
  readonly driver: Driver;
  /** Changes nothing yet. `isRollingOut`: a roll-out is under way. Rejects in plain words. */
  reload(config: Config, isRollingOut: boolean): Promise<DriverChange>;
}

export interface DriverChange {
  readonly faults: readonly string[];
  /** What replicas are from now on, to be rolled out; null: what they were. */
  readonly version: { readonly name: string; readonly definition: object } | null;
  apply(): void;
}

const UNCHANGED: DriverChange = { faults: [], version: null, apply: () => {} };

export async function createDriver(config: Config, surroundings: DriverSurroundings): Promise<MadeDriver> {
  const { meant, log } = surroundings;
  switch (config.driver) {
    case 'static':
      return staticDriver(config, surroundings);
    case 'follow':
      return followDriver(config, surroundings);
    case 'swarm':
      return swarmDriver(config, surroundings);
    case 'process':
      return processDriver(config, surroundings);
    case 'docker': {
      const fault = meant === null ? null : await engineFault();
      if (fault !== null)
        throw new StartError(`${meant?.by} is set, so the replicas are containers, but ${fault}`);
      return dockerDriver(config, surroundings);
    }
    case 'auto': {
      const fault = await engineFault();
      if (fault === null) return dockerDriver(config, surroundings);
      log.info({ driver: 'process' }, `replicas will be child processes of ${DEMO_PROGRAM}: ${fault}`);
      return processDriver(config, surroundings);
    }
  }
}

function staticDriver(config: Config, { stateRoot, log }: DriverSurroundings): MadeDriver {
  const { upstreams, upstreamsFile, dnsServers, dnsIntervalMs, host, port } = config;
  const driver = new StaticDriver({
    upstreams,
    file: upstreamsFile,
    service: new Dns(dnsServers),
    dnsIntervalMs,
    seatsPath: join(stateRoot, `seats-${fileName(`${host}_${port}`)}.json`),
    clock: systemClock,
    log,
  });
  const reload = async (next: Config): Promise<DriverChange> => ({
    ...driver.reread({ upstreams: next.upstreams, file: next.upstreamsFile }),
    version: null,
  });
  return { driver, reload };
}

async function followDriver(
  { follow, replicaPort, dockerReach }: Config,
  { stateRoot, log }: DriverSurroundings,
): Promise<MadeDriver> {
  const { FollowDriver } = await import('./follow/driver.ts');
  const driver = new FollowDriver({
    follow: follow!,
    port: replicaPort,
    reach: dockerReach,
    seatsPath: join(stateRoot, `seats-follow-${fileName(follow!.text).slice(0, 200)}.json`),
    log,
  });
  return { driver, reload: async () => UNCHANGED };
}

async function swarmDriver(config: Config, { stateRoot, log }: DriverSurroundings): Promise<MadeDriver> {
  const { SwarmDriver } = await import('./swarm/driver.ts');
  const { Managers } = await import('./swarm/managers.ts');
  const { Engine } = await import('./docker/engine.ts');
  const { engineAddress } = await import('./docker/address.ts');
  const { ownNetworks } = await import('./docker/self.ts');
  const { swarmManagers, replicas, service: project = null } = config;
  const engine = new Engine();
  const others = swarmManagers.map(url => new Engine(engineAddress({ ...process.env, DOCKER_HOST: url })));
  const imageOf = ({ service, image }: Config): string | null => service?.service.image ?? image;
  const image = imageOf(config);
  const driver = new SwarmDriver({
    service: config.swarmService!,
    definition: image === null ? null : { owner: instanceId(stateRoot), image, replicas, project },
    managers: new Managers(others.length > 0 ? others : [engine], systemClock),
    engine,
    ownNetworks: () => ownNetworks(engine),
    port: config.replicaPort,
    reach: config.dockerReach,
    evacuates: config.evacuate === 'on',
    shared: sharedOf(config),
    nowMs: systemClock.nowMs,
    wallMs: systemClock.wallMs,
    log,
  });
  const restOf = ({ replicaPort, service }: Config): string =>
    JSON.stringify([replicaPort, service && { ...service, service: { ...service.service, image: '' } }]);
  const rest = restOf(config);
  const reload = async (next: Config): Promise<DriverChange> => {
    const then = imageOf(next);
    if (restOf(next) !== rest)
      return {
        ...UNCHANGED,
        faults: ['the service keeps what it was made of, but for its image: restart torc'],
      };
    const apply = (): void => driver.configure(sharedOf(next));
    if (then === null || then === driver.image || (then === image && !driver.isOwn))
      return { ...UNCHANGED, apply };
    if (!driver.isOwn)
      return {
        ...UNCHANGED,
        faults: ['TORC_IMAGE: torc did not make the service; POST /admin/rollout updates it'],
      };
    return { ...UNCHANGED, version: { name: then, definition: {} }, apply };
  };
  return { driver, reload };
}

/** What decides where keys go. */
const sharedOf = ({ ring, ringRows, key }: Config): Readonly<Record<string, string>> => ({
  TORC_RING: ring,
  TORC_RING_ROWS: `${ringRows}`,
  TORC_KEY: key.map(({ text }) => text).join(),
});

async function dockerDriver(
  config: Config,
  { stateRoot, log, progress }: DriverSurroundings,
): Promise<MadeDriver> {
  const { BUNDLED_IMAGE } = await import('./docker/image.ts');
  const { DockerDriver } = await import('./docker/driver.ts');
  const { network, dockerReach, onExit } = config;
  const wordsOf = ({ image, service = null, replicaPort, capAdd }: Config): ReplicaWords => ({
    image: service?.service.image ?? image ?? BUNDLED_IMAGE,
    service,
    capAdd,
    port: replicaPort,
  });
  const words = wordsOf(config);
  const versions = versionFile(stateRoot, `docker-${network}`, 'TORC_IMAGE', words.image, log);
  const past = new Rolled(words, words.image, versions);
  const driver = new DockerDriver({
    ...words,
    network,
    image: past.version ?? words.image,
    remember: (version, isSetting) => past.remember(version, isSetting),
    reach: dockerReach,
    reaps: onExit === 'remove',
    stateRoot,
    log,
    progress,
  });
  const reload = (next: Config, isRollingOut: boolean): Promise<DriverChange> => {
    const then = wordsOf(next);
    return past.change(then, then.image, isRollingOut, async image => ({
      name: image,
      definition: await driver.define({ ...then, image }),
    }));
  };
  return { driver, reload };
}

function processDriver(config: Config, { stateRoot, log }: DriverSurroundings): MadeDriver {
  const { host, port } = config;
  const scope = `${host}:${port}`;
  const wordsOf = ({ replicaCommand, service = null }: Config): ProcessWords => ({
    command: service ? commandLineOf(service.service) : replicaCommand,
    service: service?.service ?? null,
  });
  const words = wordsOf(config);
  const setting = words.command ?? '';
  const versions = versionFile(stateRoot, `process-${scope}`, 'TORC_REPLICA_COMMAND', setting, log);
  const past = new Rolled(words, setting, versions);
  const driver = new ProcessDriver({
    command: past.version ?? words.command,
    service: words.service,
    remember: (version, isSetting) => past.remember(version, isSetting),
    scope,
    stateRoot,
    log,
    random: systemRandom,
  });
  const reload = (next: Config, isRollingOut: boolean): Promise<DriverChange> => {
    const then = wordsOf(next);
    return past.change(then, then.command ?? '', isRollingOut, async line => ({
      name: line === '' ? DEMO_PROGRAM : line,
      definition: await driver.define({ ...then, command: line === '' ? null : line }),
    }));
  };
  return { driver, reload };
}

function versionFile(stateRoot: string, scope: string, name: string, setting: string, log: Log): VersionFile {
  const file = `version-${fileName(scope)}.json`;
  return new VersionFile(join(stateRoot, file), name, setting, log);
}

const fileName = (text: string): string => text.replace(/[^A-Za-z0-9._-]/g, '_');

/** dockerode is loaded here, and not where no engine is wanted: it brings 25 MB with it. */
async function engineFault(): Promise<string | null> {
  const { pingEngine } = await import('./docker/engine.ts');
  return pingEngine();
}
