// What a service's containers need on the engine besides themselves: networks and named volumes, made with Compose's names and
// labels where they are missing, so that Compose takes them for its own and the database that it started is on them. External
// ones must be there. Networks that torc made go at the end when no container is left that knows them; volumes never: they
// are data. Contents that no file has (secrets from the environment) are copied into a container before its start.

import { readFileSync } from 'node:fs';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import { StartError } from '../../core/errors.ts';
import type { ProjectNetwork, ProjectVolume, ServiceProject } from '../../service/service.ts';
import type { Creation } from './creation.ts';
import { networksOf } from './endpoints.ts';
import { type Engine, EngineError } from './engine.ts';
import { OWNER_LABEL } from './hints.ts';
import { REMOVE_ATTEMPTS, REMOVE_PAUSE_MS } from './network.ts';
import { Subnets } from './subnets.ts';
import { said } from './units.ts';

const NOT_FOUND = 404;
const CONFLICT = 409;
const FORBIDDEN = 403;
const PROJECT_LABEL = 'com.docker.compose.project';

export class Belongings {
  readonly #engine: Engine;
  /** Null where no service says what a replica is: then containers need nothing. */
  readonly #project: ServiceProject | null;
  readonly #owner: string;
  /** Of the service's networks, as the engine last had them. */
  #subnets: readonly Subnets[] = [];

  constructor(engine: Engine, project: ServiceProject | null, owner: string) {
    this.#engine = engine;
    this.#project = project;
    this.#owner = owner;
  }

  get #networks(): ReturnType<typeof networksOf> {
    return this.#project === null ? [] : networksOf(this.#project);
  }

  /** Before the first start: every external thing that is missing, at once. */
  async check(): Promise<void> {
    const { volumes = {}, serviceName = '' } = this.#project ?? {};
    const faults: string[] = [];
    for (const { key, network } of this.#networks)
      if (network.external && (await this.#network(network.name)) === null)
        faults.push(
          `network ${network.name} (networks.${key}) is external and not on this engine: docker network create ${network.name}`,
        );
    for (const [key, { name, external }] of Object.entries(volumes))
      if (external && !name.includes('{{') && !(await this.#hasVolume(name)))
        faults.push(missingVolume(key, name));
    if (faults.length > 0)
      throw new StartError(faults.map(fault => `service ${serviceName}: ${fault}`).join('\n'));
  }

  /** Called before every start: somebody may have removed one. True where all networks lead nowhere else (`internal`). */
  async ensureNetworks(): Promise<boolean> {
    const found: Docker.NetworkInspectInfo[] = [];
    for (const { key, network } of this.#networks) {
      found.push((await this.#network(network.name)) ?? (await this.#makeNetwork(key, network)));
    }
    const bridge = this.#project?.service.network_mode === undefined ? null : await this.#network('bridge');
    if (bridge !== null) found.push(bridge);
    this.#subnets = found.map(network => new Subnets(network));
    return found.length > 0 && found.every(({ Internal }) => Internal);
  }

  holdsReplica(address: string): boolean {
    return this.#subnets.some(subnets => subnets.holdsReplica(address));
  }

  /** Makes a container of it, ready to be started. */
  async make(what: string, name: string, creation: Creation): Promise<void> {
    await this.#ensureVolumes(creation.volumes);
    await this.#engine.create(what, creation.options);
    await this.#equip(name, creation);
  }

  async #ensureVolumes(volumes: Creation['volumes']): Promise<void> {
    for (const { key, volume } of volumes) {
      if (await this.#hasVolume(volume.name)) continue;
      if (volume.external) throw new Error(missingVolume(key, volume.name));
      await this.#makeVolume(key, volume);
    }
  }

  async #equip(container: string, { connect, files }: Creation): Promise<void> {
    for (const { network, settings } of connect)
      await this.#engine.ask(`cannot connect a replica to the network ${network}`, docker =>
        docker.getNetwork(network).connect({ Container: container, EndpointConfig: settings }),
      );
    for (const { path, content, uid, gid, mode, hasOwner } of files) {
      const archive = pack();
      archive.entry({ name: path.replace(/^\/+/, ''), uid, gid, mode }, content);
      archive.finalize();
      const parts: Buffer[] = [];
      for await (const part of archive) parts.push(part as Buffer);
      await this.#engine.ask(`cannot copy ${path} into a replica`, docker =>
        docker.getContainer(container).putArchive(Buffer.concat(parts), {
          path: '/',
          ...(hasOwner ? { copyUIDGID: '1' } : {}),
        }),
      );
    }
  }

  /** Removes the networks that torc made and that no container, running or not, knows any more. */
  async release(): Promise<void> {
    for (const { network } of this.#networks)
      for (let attempt = 1; attempt <= REMOVE_ATTEMPTS && !(await this.#releaseOne(network.name)); attempt++)
        await new Promise(resolve => setTimeout(resolve, REMOVE_PAUSE_MS));
  }

  /** False while an endpoint of a container that is gone still holds it. */
  async #releaseOne(name: string): Promise<boolean> {
    const found = await this.#network(name);
    if (found === null || found.Labels?.[OWNER_LABEL] !== this.#owner) return true;
    const users = await this.#engine.ask(`cannot list the containers on ${name}`, docker =>
      docker.listContainers({ all: true, filters: { network: [name] } }),
    );
    if (users.length > 0) return true;
    return this.#engine.askUnless([FORBIDDEN, CONFLICT], `cannot remove the network ${name}`, docker =>
      docker.getNetwork(name).remove(),
    );
  }

  #network(name: string): Promise<Docker.NetworkInspectInfo | null> {
    return this.#orNull(
      this.#engine.ask(`cannot look at the network ${name}`, docker => docker.getNetwork(name).inspect()),
    );
  }

  async #hasVolume(name: string): Promise<boolean> {
    const found = this.#engine.ask(`cannot look at the volume ${name}`, docker =>
      docker.getVolume(name).inspect(),
    );
    return (await this.#orNull(found)) !== null;
  }

  async #orNull<T>(asked: Promise<T>): Promise<T | null> {
    try {
      return await asked;
    } catch (error) {
      if (error instanceof EngineError && error.status === NOT_FOUND) return null;
      throw error;
    }
  }

  async #makeNetwork(key: string, network: ProjectNetwork): Promise<Docker.NetworkInspectInfo> {
    const { name, external, driver, driver_opts, internal, attachable, enable_ipv4, enable_ipv6, ipam } =
      network;
    if (external) throw new Error(`the network ${name} is external and not there any more`);
    const options = said({
      Name: name,
      CheckDuplicate: true,
      Driver: driver,
      Options: driver_opts && { ...driver_opts },
      Internal: internal,
      Attachable: attachable,
      EnableIPv4: enable_ipv4,
      EnableIPv6: enable_ipv6,
      IPAM:
        ipam === undefined || Object.keys(ipam).length === 0
          ? undefined
          : said({
              Driver: ipam.driver,
              Options: ipam.options && { ...ipam.options },
              Config: ipam.config?.map(({ subnet, gateway, ip_range, aux_addresses }) =>
                said({
                  Subnet: subnet,
                  Gateway: gateway,
                  IPRange: ip_range,
                  AuxiliaryAddresses: aux_addresses,
                }),
              ),
            }),
      Labels: {
        ...network.labels,
        ...this.#labels('network', key),
        [OWNER_LABEL]: this.#owner,
      },
    }) as Docker.NetworkCreateOptions;
    const what = `cannot make the network ${name}`;
    await this.#engine.askUnless([CONFLICT], what, docker => docker.createNetwork(options));
    const made = await this.#network(name);
    if (made === null) throw new Error(`${what}: it vanished at once`);
    return made;
  }

  async #makeVolume(key: string, { name, driver, driver_opts, labels }: ProjectVolume): Promise<void> {
    const options = said({
      Name: name,
      Driver: driver,
      DriverOpts: driver_opts && { ...driver_opts },
      Labels: { ...labels, ...this.#labels('volume', key) },
    });
    await this.#engine.ask(`cannot make the volume ${name}`, docker =>
      docker.createVolume(options as Docker.VolumeCreateOptions),
    );
  }

  #labels(kind: 'network' | 'volume', key: string): Record<string, string> {
    return { [`com.docker.compose.${kind}`]: key, [PROJECT_LABEL]: this.#project?.name ?? '' };
  }
}

const missingVolume = (key: string, name: string): string =>
  `volume ${name} (volumes.${key}) is external and not on this engine: docker volume create ${name}`;

/** A seccomp profile is the content of a file, for the engine as for Compose. */
export function withProfiles(project: ServiceProject): ServiceProject {
  const { security_opt } = project.service;
  if (security_opt === undefined) return project;
  const read = (option: string): string => {
    const [, path] = /^seccomp[=:](.+)$/.exec(option) ?? [];
    if (path === undefined || path === 'unconfined') return option;
    try {
      return `seccomp=${JSON.stringify(JSON.parse(readFileSync(path, 'utf8')))}`;
    } catch (error) {
      throw new StartError(
        `service ${project.serviceName}: security_opt: the seccomp profile ${path} cannot be read: ${(error as Error).message}`,
        { cause: error },
      );
    }
  };
  return { ...project, service: { ...project.service, security_opt: security_opt.map(read) } };
}
