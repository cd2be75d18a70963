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
import { ProcessDriver } from './process/driver.ts';
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

export async function createDriver(config: Config, surroundings: DriverSurroundings): Promise<Driver> {
  const { meant, log } = surroundings;
  switch (config.driver) {
    case 'static':
      return staticDriver(config, surroundings);
    case 'follow':
      return followDriver(config, surroundings);
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

function staticDriver(config: Config, { stateRoot, log }: DriverSurroundings): Driver {
  const { upstreams, upstreamsFile, dnsServers, dnsIntervalMs, host, port } = config;
  return new StaticDriver({
    upstreams,
    file: upstreamsFile,
    service: new Dns(dnsServers),
    dnsIntervalMs,
    seatsPath: join(stateRoot, `seats-${fileName(`${host}_${port}`)}.json`),
    clock: systemClock,
    log,
  });
}

async function followDriver(
  { follow, replicaPort, dockerReach }: Config,
  { stateRoot, log }: DriverSurroundings,
): Promise<Driver> {
  const { FollowDriver } = await import('./follow/driver.ts');
  return new FollowDriver({
    follow: follow!,
    port: replicaPort,
    reach: dockerReach,
    seatsPath: join(stateRoot, `seats-follow-${fileName(follow!.text).slice(0, 200)}.json`),
    log,
  });
}

async function dockerDriver(
  { network, image, service = null, replicaPort, capAdd, dockerReach, onExit }: Config,
  { stateRoot, log, progress }: DriverSurroundings,
): Promise<Driver> {
  const { BUNDLED_IMAGE } = await import('./docker/image.ts');
  const { DockerDriver } = await import('./docker/driver.ts');
  const setting = service?.service.image ?? image ?? BUNDLED_IMAGE;
  const versions = versionFile(stateRoot, `docker-${network}`, 'TORC_IMAGE', setting, log);
  return new DockerDriver({
    network,
    image: versions.recall() ?? setting,
    service,
    capAdd,
    remember: version => versions.remember(version),
    port: replicaPort,
    reach: dockerReach,
    reaps: onExit === 'remove',
    stateRoot,
    log,
    progress,
  });
}

function processDriver(
  { host, port, replicaCommand, service }: Config,
  { stateRoot, log }: DriverSurroundings,
): Driver {
  const scope = `${host}:${port}`;
  const setting = service ? commandLineOf(service.service) : replicaCommand;
  const versions = versionFile(stateRoot, `process-${scope}`, 'TORC_REPLICA_COMMAND', setting ?? '', log);
  return new ProcessDriver({
    command: versions.recall() ?? setting,
    service: service?.service ?? null,
    remember: version => versions.remember(version),
    scope,
    stateRoot,
    log,
    random: systemRandom,
  });
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
