// Containers that bear this network's label and were not made by this torc: left alone, and named once in the log, because
// they may be what another installation left, or a fault in somebody's labels, and torc can tell neither.

import type Docker from 'dockerode';
import type { Log } from '../../core/log.ts';
import { NETWORK_LABEL, OWNER_LABEL } from './hints.ts';

const MOST_NAMED = 100;

export class Strangers {
  readonly #network: string;
  readonly #log: Log;
  readonly #named = new Set<string>();

  constructor(network: string, log: Log) {
    this.#network = network;
    this.#log = log;
  }

  name(info: Docker.ContainerInfo): void {
    if (this.#named.has(info.Id) || this.#named.size >= MOST_NAMED) return;
    this.#named.add(info.Id);
    const name = info.Names[0]?.slice(1) ?? info.Id.slice(0, 12);
    const owner = info.Labels[OWNER_LABEL] ?? 'nobody';
    this.#log.warn(
      { container: name, image: info.Image, owner },
      `container ${name} has the label ${NETWORK_LABEL}=${this.#network} but was not made by this torc: it is left alone; if nobody needs it: docker rm -f -v ${name}`,
    );
  }
}
