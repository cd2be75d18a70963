// One torc per network name on one engine, whoever started the other and wherever its process is. The engine knows no
// leases, but volumes cost it nothing and creating one is an event that everybody sees, so a torc is a marker volume:
//
//   claim   somebody wants the network. Of two claims the one with the smaller id removes the other.
//   held    somebody has it. While that torc lives it removes every other marker as soon as it sees one.
//
// A newcomer puts down a claim and looks. Nobody else there: it has the network at once. Otherwise it waits: its claim
// vanishes when somebody lives who has more right to the network, and then it refuses to start; after 3 s of nothing the
// others are dead, and it clears them away. So a lease is proven by living, not by a clock, costs nothing while all is
// well, and outlives a crash by 3 s (by nothing where the other's process can be seen to be gone). Whoever hung for
// longer and finds its marker replaced has lost the network: it goes on routing and touches nothing any more.

import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { StartError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { observe } from '../process/identity.ts';
import type { Engine } from './engine.ts';

export const LEASE_LABEL = 'torc.lease';
const WAIT_MS = 3_000;
const POLL_MS = 100;
const NOT_FOUND = 404;

export interface Marker {
  /** The volume's name; ids are compared by it. */
  readonly name: string;
  readonly kind: 'claim' | 'held';
  /** For people: "host db-1, pid 4711, since 2026-11-27T09:00:00.000Z". */
  readonly holder: string;
  /** Names the process where it can be looked up, '' where it cannot: boot, pid namespace, pid and start time. */
  readonly machine: string;
  readonly pid: number;
  readonly startTime: string;
}

/**
 * What a torc does about the markers it sees. Pure. `mine` is the name of its own; `isDead` is true of those whose
 * process is known to be gone.
 */
export function judge(
  markers: readonly Marker[],
  mine: { readonly name: string; readonly kind: Marker['kind'] },
  isDead: (marker: Marker) => boolean,
): { readonly remove: readonly Marker[]; readonly others: readonly Marker[]; readonly isThere: boolean } {
  const rest = markers.filter(marker => marker.name !== mine.name);
  const yields = (marker: Marker): boolean =>
    isDead(marker) || mine.kind === 'held' || (marker.kind === 'claim' && marker.name > mine.name);
  return {
    remove: rest.filter(yields),
    others: rest.filter(marker => !yields(marker)),
    isThere: rest.length < markers.length,
  };
}

export interface LeaseOptions {
  readonly engine: Engine;
  readonly network: string;
  readonly log: Log;
}

export class Lease {
  readonly #options: LeaseOptions;
  readonly #prefix: string;
  #mine: { name: string; kind: Marker['kind'] } | null = null;
  #lostTo: string | null = null;
  #kept: Promise<void> = Promise.resolve();

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#prefix = `torc-lease-${options.network}-`;
  }

  /** Throws when the network is another torc's by now. */
  check(): void {
    if (this.#lostTo !== null)
      throw new Error(`the replicas of ${this.#options.network} were taken over by ${this.#lostTo}`);
  }

  get isHeld(): boolean {
    return this.#mine !== null && this.#lostTo === null;
  }

  /** StartError when another torc has the network. The engine's events must flow to `onVolume` already. */
  async take(): Promise<void> {
    const claim = await this.#mark('claim');
    this.#mine = claim;
    let seen = '';
    for (let waitedMs = 0; ; waitedMs += POLL_MS) {
      const markers = await this.#markers();
      const { remove, others, isThere } = judge(markers, claim, await deadAmong(markers));
      seen = (markers.find(({ kind }) => kind === 'held') ?? others[0])?.holder ?? seen;
      if (!isThere) throw this.#taken(seen);
      await this.#removeAll(remove);
      if (others.length > 0 && waitedMs >= WAIT_MS) await this.#clear(others);
      if ((others.length === 0 || waitedMs >= WAIT_MS) && (await this.#hold(claim))) return;
      await new Promise(resolve => setTimeout(resolve, POLL_MS));
    }
  }

  /**
   * From claim to held. What was looked at before may have changed meanwhile, so it is looked at once more with the
   * marker in place: of two that do this at once each sees the other, and both go back to their claims.
   */
  async #hold(claim: { readonly name: string }): Promise<boolean> {
    const held = await this.#mark('held');
    const markers = await this.#markers();
    const isRivalled = markers.some(({ kind, name }) => kind === 'held' && name !== held.name);
    const isThere = [claim, held].every(mine => markers.some(({ name }) => name === mine.name));
    if (isRivalled || !isThere) {
      await this.#remove(held.name);
      return false;
    }
    this.#mine = held;
    await this.#remove(claim.name);
    await this.keep();
    return true;
  }

  async #clear(markers: readonly Marker[]): Promise<void> {
    this.#options.log.warn(
      { markers: markers.map(({ holder }) => holder) },
      'the lease of a torc that is gone is cleared away',
    );
    await this.#removeAll(markers);
  }

  /** A volume appeared: perhaps somebody who must learn that the network is taken. */
  onVolume(name: string): void {
    if (this.isHeld && name.startsWith(this.#prefix) && name !== this.#mine?.name)
      void this.keep().catch(() => {}); // asked again with the next list
  }

  /** Removes what others put down; says it when the network was lost. Called with each list, too. */
  keep(): Promise<void> {
    // One after another: two that find the marker gone would each put down a new one.
    const kept = this.#kept.then(() => this.#keep());
    this.#kept = kept.catch(() => {});
    return kept;
  }

  async #keep(): Promise<void> {
    const mine = this.#mine;
    if (mine?.kind !== 'held' || this.#lostTo !== null) return;
    const { remove, isThere } = judge(await this.#markers(), mine, () => false);
    if (isThere) {
      await this.#removeAll(remove);
      return;
    }
    const other = remove.find(({ kind }) => kind === 'held');
    if (other !== undefined) {
      this.#lostTo = other.holder;
      this.#options.log.error(
        { network: this.#options.network, by: other.holder },
        'another torc took the replicas over while this one hung: it routes on and replaces nothing; stop one of the two',
      );
    } else {
      this.#mine = await this.#mark('held'); // somebody pruned volumes
    }
  }

  async release(): Promise<void> {
    const mine = this.#mine;
    this.#mine = null;
    if (mine !== null) await this.#remove(mine.name);
  }

  #taken(holder: string): StartError {
    const { network } = this.#options;
    const who = holder === '' ? 'another torc' : `another torc (${holder})`;
    return new StartError(
      `${who} manages the replicas of the Docker network ${network} on this engine: stop it, or set TORC_NETWORK to another name`,
    );
  }

  async #mark(kind: Marker['kind']): Promise<{ name: string; kind: Marker['kind'] }> {
    const { engine, network } = this.#options;
    const name = `${this.#prefix}${randomBytes(6).toString('hex')}`;
    const self = await ownProcess();
    const Labels = {
      [LEASE_LABEL]: network,
      'torc.kind': kind,
      'torc.holder': `host ${hostname()}, pid ${process.pid}, since ${new Date().toISOString()}`,
      'torc.machine': self.machine,
      'torc.pid': String(process.pid),
      'torc.start': self.startTime,
    };
    await engine.ask('cannot make the marker volume', docker => docker.createVolume({ Name: name, Labels }));
    return { name, kind };
  }

  async #markers(): Promise<Marker[]> {
    const { engine, network } = this.#options;
    const filters = { label: [`${LEASE_LABEL}=${network}`] };
    const found = await engine.ask('cannot list the volumes', docker => docker.listVolumes({ filters }));
    return (found.Volumes ?? []).map(({ Name, Labels }) => ({
      name: Name,
      kind: Labels?.['torc.kind'] === 'held' ? 'held' : 'claim',
      holder: Labels?.['torc.holder'] ?? '',
      machine: Labels?.['torc.machine'] ?? '',
      pid: Number(Labels?.['torc.pid']),
      startTime: Labels?.['torc.start'] ?? '',
    }));
  }

  async #removeAll(markers: readonly Marker[]): Promise<void> {
    for (const { name } of markers) await this.#remove(name);
  }

  async #remove(name: string): Promise<void> {
    await this.#options.engine.askUnless([NOT_FOUND], 'cannot remove the marker volume', docker =>
      docker.getVolume(name).remove({ force: true }),
    );
  }
}

/** Tells those of this machine and pid namespace whose process is no more there. */
async function deadAmong(markers: readonly Marker[]): Promise<(marker: Marker) => boolean> {
  const { machine } = await ownProcess();
  const isNear = (marker: Marker): boolean => machine !== '' && marker.machine === machine;
  const living = await observe(markers.filter(isNear).map(({ pid }) => pid));
  return marker => isNear(marker) && living.get(marker.pid)?.startTime !== marker.startTime;
}

async function ownProcess(): Promise<{ machine: string; startTime: string }> {
  const startTime = (await observe([process.pid])).get(process.pid)?.startTime ?? '';
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { machine: `${boot} ${readlinkSync('/proc/self/ns/pid')}`, startTime };
  } catch {
    return { machine: '', startTime }; // no /proc: nobody's process can be told from here
  }
}
