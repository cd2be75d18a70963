// Which driver serves: the one that was asked for, or with `auto` what this machine offers. Docker where an engine
// answers a ping at once, else child processes; given upstreams mean `static`. Only a ping is made here: what a driver
// needs (image, network) it checks in `open`, when torc's port is taken already.

import type { Config } from '../config/fields.ts';
import type { Driver } from '../control/driver.ts';
import type { Log } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { DockerDriver } from './docker/driver.ts';
import { pingEngine } from './docker/engine.ts';
import { ProcessDriver } from './process/driver.ts';
import { StaticDriver } from './static/driver.ts';

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
  if (config.driver === 'static' || (config.driver === 'auto' && config.upstreams.length > 0)) {
    return new StaticDriver(config.upstreams);
  }
  if (config.driver === 'docker' || (config.driver === 'auto' && (await engineAnswers(log)))) {
    return new DockerDriver({
      network: config.network,
      image: config.image,
      port: config.replicaPort,
      reach: config.dockerReach,
      stateRoot,
      log,
      progress,
    });
  }
  const scope = `${config.host}:${config.port}`;
  return new ProcessDriver({ command: config.replicaCommand, scope, stateRoot, log, random: systemRandom });
}

async function engineAnswers(log: Log): Promise<boolean> {
  const fault = await pingEngine();
  if (fault !== null) log.info({ driver: 'process' }, `replicas will be child processes: ${fault}`);
  return fault === null;
}
