// Where torc is a container itself, its replicas are siblings that outlive it: `docker compose down` of a torc that was
// killed would leave them behind, and their network with them, without even an exit code. So a small container waits for
// torc's own to be removed, and then takes away what it made, as Testcontainers' Ryuk does. A torc that ends by itself takes
// it along; one that only died is started again by the engine and finds its replicas. Compose's own means do not do:
// containers with its labels go with `down --remove-orphans` alone, and make `down` fail where torc is faster (2.26).

import { randomBytes } from 'node:crypto';
import { programPath } from '../../core/installation.ts';
import type { Log } from '../../core/log.ts';
import { type Engine, EngineError, START_TIMEOUT_MS } from './engine.ts';
import { NETWORK_LABEL, OWNER_LABEL } from './hints.ts';
import { LEASE_LABEL } from './lease.ts';
import { removeContainer } from './removal.ts';
import type { OwnContainer } from './self.ts';

/** On an image: it has this program. On the reaper: whose network it is for. */
export const REAPER_LABEL = 'torc.reaper';
const MEMORY_BYTES = 128 * 1024 * 1024;
const PIDS = 32;
const NOT_FOUND = 404;
const CONFLICT = 409;
const FORBIDDEN = 403;
const RETRY_MS = 1_000;
/** An endpoint is let go shortly after its container is removed. */
const NETWORK_TRIES = 20;
const PROJECT_LABEL = 'com.docker.compose.project';
const SERVICE_LABEL = 'com.docker.compose.service';
/** What Compose made has it; its project and service stand on the images that it built, too. */
const MADE_LABEL = 'com.docker.compose.config-hash';

/** What the reaper is told, as its one argument. */
export interface Errand {
  /** torc's own container. */
  readonly container: string;
  readonly network: string;
  /** The instance whose replicas they are. */
  readonly owner: string;
  /** Compose's names of torc's container; '' where Compose did not make it. */
  readonly project: string;
  readonly service: string;
}

/** Puts a reaper in the place of those of an earlier run. Never throws: without one all else works. */
export async function startReaper(
  engine: Engine,
  own: OwnContainer,
  { network, owner }: { readonly network: string; readonly owner: string },
  log: Log,
): Promise<void> {
  if (own.labels[REAPER_LABEL] !== 'true' || own.socket === null) return;
  const errand: Errand = {
    container: own.id,
    network,
    owner,
    project: own.labels[MADE_LABEL] === undefined ? '' : (own.labels[PROJECT_LABEL] ?? ''),
    service: own.labels[SERVICE_LABEL] ?? '',
  };
  try {
    await removeReapers(engine, network);
    const name = `${network}-reaper-${randomBytes(3).toString('hex')}`;
    const container = await engine.ask('cannot make the reaper', docker =>
      docker.createContainer({
        name,
        Image: own.image,
        Entrypoint: ['node', programPath('reaper')],
        Cmd: [JSON.stringify(errand)],
        // The owner of the socket, and nothing else of root.
        User: '0',
        Env: ['DOCKER_HOST=unix:///var/run/docker.sock'],
        Labels: { [REAPER_LABEL]: network, [PROJECT_LABEL]: '', [SERVICE_LABEL]: '' },
        Healthcheck: { Test: ['NONE'] },
        HostConfig: {
          AutoRemove: true,
          NetworkMode: 'none',
          Binds: [`${own.socket}:/var/run/docker.sock`],
          ReadonlyRootfs: true,
          CapDrop: ['ALL'],
          SecurityOpt: ['no-new-privileges:true'],
          Memory: MEMORY_BYTES,
          PidsLimit: PIDS,
          Init: true,
        },
      }),
    );
    await engine.ask('cannot start the reaper', () => container.start(), START_TIMEOUT_MS);
  } catch (error) {
    log.warn(
      { error: (error as Error).message },
      'without a reaper: if torc is killed and its container removed, its replicas stay',
    );
  }
}

export async function removeReapers(engine: Engine, network: string): Promise<void> {
  const found = await engine.ask('cannot list the reapers', docker =>
    docker.listContainers({ all: true, filters: { label: [`${REAPER_LABEL}=${network}`] } }),
  );
  for (const { Id } of found) await removeContainer(engine, Id);
}

/** The reaper's whole life. Resolves when it has done its errand, or another torc is there to do it. */
export async function reap(engine: Engine, errand: Errand): Promise<void> {
  await untilRemoved(engine, errand.container);
  if (await hasSuccessor(engine, errand)) return;
  const { network, owner, project } = errand;
  const left = await engine.ask('cannot list the containers', docker =>
    docker.listContainers({
      all: true,
      filters: { label: [`${NETWORK_LABEL}=${network}`, `${OWNER_LABEL}=${owner}`] },
    }),
  );
  await Promise.all(left.map(({ Id }) => removeContainer(engine, Id)));
  const { Volumes: markers } = await engine.ask('cannot list the volumes', docker =>
    docker.listVolumes({ filters: { label: [`${LEASE_LABEL}=${network}`] } }),
  );
  for (const { Name } of markers ?? [])
    await engine.askUnless([NOT_FOUND, CONFLICT], 'cannot remove a marker volume', docker =>
      docker.getVolume(Name).remove({ force: true }),
    );
  for (let tries = 1; tries <= NETWORK_TRIES; tries++) {
    if (await removeNetwork(engine, network, owner, project)) return;
    await pause(RETRY_MS / 10);
  }
}

/** One call that the engine answers when it happens; asked again when the engine was away. */
async function untilRemoved(engine: Engine, id: string): Promise<void> {
  for (;;) {
    try {
      await engine.wait(docker => docker.getContainer(id).wait({ condition: 'removed' }));
      return;
    } catch (error) {
      if (error instanceof EngineError && error.status === NOT_FOUND) return;
      await pause(RETRY_MS);
    }
  }
}

/** Compose makes a changed service's new container before it removes the old one: that torc takes the replicas over. */
async function hasSuccessor(engine: Engine, { project, service }: Errand): Promise<boolean> {
  if (project === '') return false;
  const label = [MADE_LABEL, `${PROJECT_LABEL}=${project}`, `${SERVICE_LABEL}=${service}`];
  const found = await engine.ask('cannot list the containers', docker =>
    docker.listContainers({ all: true, filters: { label } }),
  );
  return found.length > 0;
}

/** Whether there is nothing (more) to do: it is gone, or somebody else's. */
async function removeNetwork(
  engine: Engine,
  network: string,
  owner: string,
  project: string,
): Promise<boolean> {
  const [found] = (
    await engine.ask('cannot list the networks', docker =>
      docker.listNetworks({ filters: { name: [network] } }),
    )
  ).filter(({ Name }) => Name === network);
  const labels: Readonly<Record<string, string>> = found?.Labels ?? {};
  const isOurs = labels[OWNER_LABEL] === owner || (project !== '' && labels[PROJECT_LABEL] === project);
  if (found === undefined || !isOurs) return true;
  return engine.askUnless([NOT_FOUND, FORBIDDEN, CONFLICT], 'cannot remove the network', docker =>
    docker.getNetwork(found.Id).remove(),
  );
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));
