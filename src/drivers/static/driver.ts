// The static driver: replicas that somebody else runs, given by address, by name, or in a file that is followed. Slots are
// called by what was given, not by its place in the list, so that a list with one less or in another order moves no key
// that need not move; what stands behind a dns: or srv: name has seats (seats.ts). All listed always count as running:
// whether they are alive is the heartbeat's to say. Nothing is made or ended here.
// A plain host name is resolved anew by each connection; names.ts says when its old addresses are to be left.

import { isIP } from 'node:net';
import { addressName, type GivenUpstream, serverIds, withoutDot } from '../../config/upstreams.ts';
import type { Driver, DriverEvent, Replica } from '../../control/driver.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { StartError } from '../../core/errors.ts';
import { addressInWords, isSocketPath } from '../../core/host-port.ts';
import type { Log } from '../../core/log.ts';
import type { ReplicaAddress } from '../../core/types.ts';
import type { NameService } from './dns.ts';
import { readUpstreams, trustFaults, UpstreamsFile } from './file.ts';
import { Names } from './names.ts';
import { type Found, type Seating, seatAll, seatDueMs, seatName } from './seats.ts';
import { SeatsFile } from './seats-file.ts';

/** A seat that is empty for longer is forgotten: as long as a pod may take to come back. */
const FORGET_MS = 60_000;
/** A new address waits for a seat until one more answer has come: so many intervals. */
const HOLD_INTERVALS = 1.5;

export interface StaticOptions {
  readonly upstreams: readonly GivenUpstream[];
  /** Instead of them. */
  readonly file: string | null;
  readonly service: NameService;
  readonly dnsIntervalMs: number;
  /** Where the seats outlive torc. */
  readonly seatsPath: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class StaticDriver implements Driver {
  readonly name = 'static';
  readonly creates = false;
  readonly #options: StaticOptions;
  readonly #names: Names;
  #file: UpstreamsFile | null;
  readonly #seatsFile: SeatsFile;
  #path: string | null;
  #upstreams: readonly GivenUpstream[];
  #seating: Seating;
  #timer: Timer | null = null;
  #onEvent: ((event: DriverEvent) => void) | null = null;

  constructor(options: StaticOptions) {
    const { service, clock, log, dnsIntervalMs: intervalMs, file, seatsPath } = options;
    this.#options = options;
    this.#upstreams = options.upstreams;
    this.#names = new Names({ service, clock, log, intervalMs, onChange: () => this.#changed('DNS') });
    this.#file = file === null ? null : this.#follower(file);
    this.#path = file;
    this.#seatsFile = new SeatsFile(seatsPath, log);
    this.#seating = { seats: this.#seatsFile.read(), waiting: [] };
  }

  async open(onEvent: (event: DriverEvent) => void): Promise<void> {
    if (this.#file) this.#upstreams = this.#file.open();
    const faults = trustFaults(this.#upstreams).map(fault => `TORC_UPSTREAMS: ${fault}`);
    if (faults.length > 0) throw new StartError(faults.join('\n'), { exitCode: 2 });
    this.#names.set(named(this.#upstreams));
    await this.#names.first();
    this.#seat();
    this.#onEvent = onEvent;
  }

  async list(): Promise<readonly Replica[]> {
    const replicas = new Map<string, Replica>();
    const ids = serverIds(this.#upstreams);
    for (const upstream of this.#upstreams) {
      if (upstream.kind !== 'host') continue;
      const { name } = upstream;
      replicas.set(
        name,
        given(name, upstream, this.#names.generationOf(upstream), {
          ...upstream,
          serverId: ids.get(name)!,
        }),
      );
    }
    const found = new Map(this.#found().map(each => [addressName(each.host, each.port), each]));
    for (const seat of this.#seating.seats) {
      const each = found.get(seat.address);
      if (seat.leftMs !== null || each === undefined || each.group !== seat.group) continue;
      const name = seatName(seat, each.isNamed);
      if (!replicas.has(name))
        replicas.set(
          name,
          given(
            name,
            each,
            1,
            this.#upstreams.find(upstream => upstream.name === each.group),
          ),
        );
    }
    return [...replicas.values()];
  }

  async start(): Promise<never> {
    throw new Error('the replicas of the static driver are given by TORC_UPSTREAMS, torc starts none');
  }

  async stop(): Promise<void> {}

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#file?.close();
    this.#names.close();
  }

  /** Other replicas are given, or the file is to be read now. Changes nothing until `apply`. */
  reread({ upstreams, file }: Pick<StaticOptions, 'upstreams' | 'file'>): {
    faults: string[];
    apply(): void;
  } {
    const found = file === null ? { text: '', upstreams } : readUpstreams(file);
    const faults = trustFaults(found.upstreams).map(fault => `TORC_UPSTREAMS: ${fault}`);
    if (faults.length > 0) return { faults, apply: () => {} };
    const apply = (): void => {
      if (file !== this.#path) {
        this.#file?.close();
        this.#file = file === null ? null : this.#follower(file);
        this.#path = file;
      }
      this.#file?.follow(found);
      if (JSON.stringify(found.upstreams) === JSON.stringify(this.#upstreams)) return;
      this.#take(found.upstreams);
    };
    return { faults: [], apply };
  }

  #follower(path: string): UpstreamsFile {
    const { clock, log } = this.#options;
    return new UpstreamsFile({ path, clock, log, onChange: list => this.#take(list) });
  }

  #take(upstreams: readonly GivenUpstream[]): void {
    this.#upstreams = upstreams;
    this.#names.set(named(upstreams));
    this.#changed('the list of upstreams');
  }

  #changed(source: string): void {
    // The first answers of all names are seated together.
    if (this.#onEvent === null) return;
    this.#seat();
    this.#onEvent({ kind: 'changed', cause: `${source} has changed` });
  }

  /** What was found behind names, each address once, without those that are given as addresses. */
  #found(): Found[] {
    const seen = new Set(
      this.#upstreams.map(({ kind, host, port }) => (kind === 'host' ? addressName(host, port) : '')),
    );
    return this.#names.found().filter(({ host, port }) => {
      const address = addressName(host, port);
      return !seen.has(address) && seen.add(address);
    });
  }

  #seat(): void {
    const { clock, dnsIntervalMs } = this.#options;
    const holdMs = dnsIntervalMs * HOLD_INTERVALS;
    const addresses = new Map<string, Set<string>>();
    for (const { group, host, port } of this.#found()) {
      const own = addresses.get(group) ?? new Set();
      addresses.set(group, own.add(addressName(host, port)));
    }
    const nowMs = clock.nowMs();
    const forgetMs = this.#names.isComplete ? FORGET_MS : Number.POSITIVE_INFINITY;
    this.#seating = seatAll(this.#seating, addresses, { nowMs, holdMs, forgetMs });
    this.#seatsFile.write(this.#seating.seats);
    this.#timer?.cancel();
    const dueMs = seatDueMs(this.#seating, holdMs);
    if (dueMs !== Number.POSITIVE_INFINITY)
      this.#timer = clock.after(dueMs - nowMs, () => this.#changed('DNS'));
  }
}

/** Those that have to be asked for. */
const named = (upstreams: readonly GivenUpstream[]): GivenUpstream[] =>
  upstreams.filter(({ kind, host }) => kind !== 'host' || (isIP(host) === 0 && !isSocketPath(host)));

/** Whom to believe is a part of who it is: where that changes, connections are made anew. */
function given(
  slot: string,
  { host, port, tls }: ReplicaAddress,
  generation: number,
  { weight, serverId }: Pick<GivenUpstream, 'weight' | 'serverId'> = {},
): Replica {
  const label = addressInWords({ host: withoutDot(host), port, ...(tls && { tls }) });
  const trust = tls ? `;sni=${tls.serverName}${tls.ca === null ? '' : `;ca=${tls.ca}`}` : '';
  return {
    id: `${label}${trust}${generation === 1 ? '' : `@${generation}`}`,
    slot,
    generation,
    spare: false,
    status: 'running',
    host,
    port,
    ...(tls && { tls }),
    ...(weight !== undefined && { weight }),
    ...(serverId !== undefined && { serverId }),
    label,
  };
}
