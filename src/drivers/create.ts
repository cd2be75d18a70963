// Which driver serves: the one that was asked for, or with `auto` what this machine offers. Docker where an engine
// answers a ping at once, else child processes; given upstreams mean `static`. Only a ping is made here: what a driver
// needs (image, network) it checks in `open`, when torc's port is taken already.

import { join } from 'node:path';
import type { Config } from '../config/fields.ts';
import type { Driver } from '../control/driver.ts';
import type { Log } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { ProcessDriver } from './process/driver.ts';
import { StaticDriver } from './static/driver.ts';
import { VersionFile } from './version-file.ts';

export interface DriverSurroundings {
  /** Where state is kept (drivers/state.ts). */
  readonly stateRoot: string;
  readonly log: Log;
  /** Told what takes long at start: an image being built. */
  readonly progress: (text: string) => void;
}

export async function createDriver(
  config: Config,
  { stateRoot, log, progress }: DriverSurroundings,
): Promise<Driver> {
  const versionFile = (scope: string, name: string, setting: string): VersionFile =>
    new VersionFile(
      join(stateRoot, `version-${scope.replace(/[^A-Za-z0-9._-]/g, '_')}.json`),
      name,
      setting,
      log,
    );
  if (config.driver === 'static' || (config.driver === 'auto' && config.upstreams.length > 0)) {
    return new StaticDriver(config.upstreams);
  }
  if (config.driver === 'docker' || (config.driver === 'auto' && (await engineAnswers(log)))) {
    const { DockerDriver } = await import('./docker/driver.ts');
    const versions = versionFile(`docker-${config.network}`, 'TORC_IMAGE', config.image);
    return new DockerDriver({
      network: config.network,
      image: versions.recall() ?? config.image,
      remember: version => versions.remember(version),
      port: config.replicaPort,
      reach: config.dockerReach,
      stateRoot,
      log,
      progress,
    });
  }
  const scope = `${config.host}:${config.port}`;
  const versions = versionFile(`process-${scope}`, 'TORC_REPLICA_COMMAND', config.replicaCommand ?? '');
  return new ProcessDriver({
    command: versions.recall() ?? config.replicaCommand,
    remember: version => versions.remember(version),
    scope,
    stateRoot,
    log,
    random: systemRandom,
  });
}

/** dockerode is loaded here, and not where no engine is wanted: it brings 25 MB with it. */
async function engineAnswers(log: Log): Promise<boolean> {
  const { pingEngine } = await import('./docker/engine.ts');
  const fault = await pingEngine();
  if (fault !== null) log.info({ driver: 'process' }, `replicas will be child processes: ${fault}`);
  return fault === null;
}
