// What the settings say a replica is, looked at by the engine: limits that it can keep, networks and volumes that are there,
// the image and the port that it listens on. Made at the start, and again by a reload; nothing is made on the engine but a
// missing demo image, so one that is given up leaves nothing. A container is made of one definition, and an image beside it
// where a roll-out named another one.

import { StartError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { signalOf } from '../../service/process.ts';
import type { ServiceProject } from '../../service/service.ts';
import { Belongings, withProfiles } from './belongings.ts';
import type { Engine } from './engine.ts';
import { ensureImage } from './image.ts';
import { limitsOf } from './limits.ts';
import { portOf, USUAL_PORT } from './ports.ts';

/** The settings of a replica. */
export interface ReplicaWords {
  readonly image: string;
  /** On which the image listens; null: the one that the service or the image names (ports.ts). */
  readonly port: number | null;
  /** What the replicas are in Compose's words; null: the image and nothing else. */
  readonly service: ServiceProject | null;
  /** Capabilities beyond the service's. */
  readonly capAdd: readonly string[];
}

export interface Definition extends ReplicaWords {
  /** The service with what its files say. */
  readonly project: ServiceProject | null;
  readonly port: number;
  /** As the settings have it. */
  readonly configuredPort: number | null;
  /** What its containers need besides themselves. */
  readonly belongings: Belongings;
  /** The image's and the service's own. */
  readonly stopSignals: readonly string[];
}

export interface Surroundings {
  readonly engine: Engine;
  readonly owner: string;
  /** The engine's. */
  readonly apiVersion: string;
  readonly log: Log;
  /** Told what takes long. */
  readonly progress: (text: string) => void;
}

/** Throws StartError, or what the engine says, with every fault. */
export async function define(words: ReplicaWords, surroundings: Surroundings): Promise<Definition> {
  const { engine, owner, apiVersion, log } = surroundings;
  const { service, image, port: configuredPort } = words;
  const { faults, notes } = service === null ? { faults: [], notes: [] } : limitsOf(service, apiVersion);
  if (faults.length > 0) throw new StartError(faults.join('\n'));
  for (const note of notes) log.warn({ service: service?.serviceName }, note);
  const project = service === null ? null : withProfiles(service);
  const belongings = new Belongings(engine, project, owner);
  await belongings.check();
  const { port, stopSignals } = await lookAtImage(image, { configuredPort, service }, surroundings);
  const own = service?.service.stop_signal;
  const signals = own === undefined ? stopSignals : [...stopSignals, signalOf(own) ?? own];
  return { ...words, project, port, configuredPort, belongings, stopSignals: signals };
}

/** The image is there, or made; what it says of itself. */
export async function lookAtImage(
  image: string,
  { configuredPort, service }: Pick<Definition, 'configuredPort' | 'service'>,
  { engine, log, progress }: Pick<Surroundings, 'engine' | 'log' | 'progress'>,
): Promise<{ port: number; stopSignals: readonly string[] }> {
  const { stopSignal, exposed } = await ensureImage(engine, image, progress);
  const found = portOf(configuredPort, service?.service ?? null, { name: image, exposed });
  if (found.port === null) throw new StartError(found.fault);
  if (configuredPort === null && found.port !== USUAL_PORT)
    log.info({ image, port: found.port }, `replicas are asked on port ${found.port}, from ${found.source}`);
  return {
    port: found.port,
    stopSignals: stopSignal === null ? [] : [signalOf(stopSignal) ?? stopSignal],
  };
}
