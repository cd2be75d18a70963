// What the names among the given upstreams stand for now. Each is asked for again when its TTL is over, and at least every
// interval; what it had is kept while it cannot be asked or has nothing, and that is said once. A plain host name is one
// replica whatever its addresses, so all that is asked there is whether one of them went: then it is another replica, and
// connections to the old address are left. Since some servers answer with a part of what they have, an address of such a
// name went only when two answers in a row lack it.

import { isIPv4 } from 'node:net';
import { addressName, type GivenUpstream } from '../../config/upstreams.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { NameService } from './dns.ts';
import { type Found, isMadeOf } from './seats.ts';

const SHORTEST_TTL_MS = 1_000;
/** An address is gone only if it is gone then too. */
const CONFIRM_MS = 1_000;
/** For the first answers of all names, before torc goes on without. */
const FIRST_WAIT_MS = 5_000;
const ASKS_AT_ONCE = 16;

export interface NamesOptions {
  readonly service: NameService;
  readonly clock: Clock;
  readonly log: Log;
  readonly intervalMs: number;
  readonly onChange: () => void;
}

interface Name {
  readonly upstream: GivenUpstream;
  readonly text: string;
  /** null: never answered. */
  found: readonly Found[] | null;
  /** Of a plain host name: how many replicas it has been. */
  generation: number;
  addresses: readonly string[];
  /** Of an SRV name: the addresses of each target. */
  targets: ReadonlyMap<string, readonly string[]>;
  /** Of the answer that lacked some of them. */
  lacking: readonly string[] | null;
  fault: string | null;
  timer: Timer | null;
  isGone: boolean;
}

export class Names {
  readonly #options: NamesOptions;
  readonly #names = new Map<string, Name>();
  #asks = 0;
  readonly #due: Name[] = [];
  #isSettled: () => void = () => {};

  constructor(options: NamesOptions) {
    this.#options = options;
  }

  /** From now on these, by what they are; those that stay keep what they know. */
  set(upstreams: readonly GivenUpstream[]): void {
    const wanted = new Map(upstreams.map(upstream => [textOf(upstream), upstream]));
    for (const [text, name] of this.#names) {
      if (wanted.has(text)) continue;
      name.isGone = true;
      name.timer?.cancel();
      this.#names.delete(text);
    }
    for (const [text, upstream] of wanted) {
      if (this.#names.has(text)) continue;
      const name: Name = {
        upstream,
        text,
        found: null,
        generation: 1,
        addresses: [],
        targets: new Map(),
        lacking: null,
        fault: null,
        timer: null,
        isGone: false,
      };
      this.#names.set(text, name);
      this.#askSoon(name);
    }
  }

  /** Resolves when all have been asked, or after a bound. */
  async first(): Promise<void> {
    if (this.#isAsked()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#isSettled = resolve;
    const timer = this.#options.clock.after(FIRST_WAIT_MS, resolve);
    await promise;
    timer.cancel();
  }

  #isAsked(): boolean {
    return [...this.#names.values()].every(name => name.found !== null || name.fault !== null);
  }

  /** Whether all have answered at least once. */
  get isComplete(): boolean {
    return [...this.#names.values()].every(name => name.found !== null);
  }

  /** All that was found, of all names. */
  found(): Found[] {
    return [...this.#names.values()].flatMap(name => name.found ?? []);
  }

  generationOf(upstream: GivenUpstream): number {
    return this.#names.get(textOf(upstream))?.generation ?? 1;
  }

  close(): void {
    this.set([]);
  }

  #askSoon(name: Name): void {
    this.#due.push(name);
    this.#askNext();
  }

  #askNext(): void {
    while (this.#asks < ASKS_AT_ONCE && this.#due.length > 0) {
      const name = this.#due.shift()!;
      if (name.isGone) continue;
      this.#asks++;
      void this.#ask(name).then(() => {
        this.#asks--;
        if (this.#isAsked()) this.#isSettled();
        this.#askNext();
      });
    }
  }

  async #ask(name: Name): Promise<void> {
    const { clock, intervalMs } = this.#options;
    let waitMs = intervalMs;
    try {
      const ttlMs = await (name.upstream.kind === 'host' ? this.#look(name) : this.#find(name));
      waitMs = Math.min(intervalMs, Math.max(SHORTEST_TTL_MS, ttlMs));
      if (!name.isGone && name.fault !== null) this.#options.log.info({}, `${name.text} is found again`);
      name.fault = null;
    } catch (error) {
      this.#failed(name, error instanceof Error ? error.message : String(error));
    }
    if (!name.isGone) name.timer = clock.after(waitMs, () => this.#askSoon(name));
  }

  #failed(name: Name, fault: string): void {
    const isNew = name.fault === null;
    name.fault = fault;
    if (name.isGone || !isNew) return;
    const { intervalMs, log } = this.#options;
    const what =
      name.upstream.kind === 'host' || name.found ? 'what it had is kept' : 'it gives no replicas yet';
    log.warn(
      { upstream: name.text, cause: fault },
      `${name.text}: ${fault}; ${what}, asked every ${intervalMs} ms`,
    );
  }

  /** `dns:`, `srv:`. Returns the TTL. */
  async #find(name: Name): Promise<number> {
    const { found, ttlMs } = await (name.upstream.kind === 'dns'
      ? this.#ofName(name)
      : this.#ofService(name));
    if (found.length === 0) throw new Error('the answer is empty');
    if (name.isGone) return ttlMs;
    const before = new Set(name.found?.map(addressOf));
    const after = new Set(found.map(addressOf));
    name.found = found;
    const come = [...after].filter(each => !before.has(each));
    const gone = [...before].filter(each => !after.has(each));
    if (come.length + gone.length === 0) return ttlMs;
    this.#options.log.info(
      { upstream: name.text, come, gone },
      `${name.text} has ${after.size} addresses now`,
    );
    this.#options.onChange();
    return ttlMs;
  }

  async #ofName({ upstream, found }: Name): Promise<{ found: Found[]; ttlMs: number }> {
    const { host, port, name: group } = upstream;
    const known = found?.map(each => each.host) ?? [];
    const { addresses, ttlMs } = await this.#options.service.addresses(host, known);
    return { found: addresses.map(address => ({ group, isNamed: false, host: address, port })), ttlMs };
  }

  async #ofService(name: Name): Promise<{ found: Found[]; ttlMs: number }> {
    const { service } = this.#options;
    const services = await service.services(name.upstream.host);
    let ttlMs = Number.POSITIVE_INFINITY;
    const targets = new Map<string, readonly string[]>();
    for (const target of new Set(services.map(each => each.target))) {
      const known = name.targets.get(target) ?? [];
      try {
        const answer = await service.addresses(target, known);
        // A target is one server, which has an address of either family.
        const four = answer.addresses.filter(isIPv4);
        targets.set(target, four.length > 0 ? four : answer.addresses);
        ttlMs = Math.min(ttlMs, answer.ttlMs);
      } catch {
        targets.set(target, known);
      }
    }
    name.targets = targets;
    const found = services.flatMap(({ target, port }) =>
      targets.get(target)!.map(host => {
        const isNamed = !isMadeOf(target, host);
        return { group: isNamed ? target : name.upstream.name, isNamed, host, port };
      }),
    );
    return { found, ttlMs };
  }

  /** A plain host name. Returns how long its answer holds. */
  async #look(name: Name): Promise<number> {
    const addresses = await this.#options.service.lookup(name.upstream.host);
    if (addresses.length === 0) throw new Error('the answer is empty');
    const answered = new Set([...addresses, ...(name.lacking ?? [])]);
    const gone = name.addresses.filter(address => !answered.has(address));
    if (gone.length > 0 && name.lacking === null) {
      name.lacking = addresses;
      return CONFIRM_MS;
    }
    const isOther = name.found !== null && gone.length > 0;
    name.lacking = null;
    name.found = [];
    name.addresses = addresses;
    if (!isOther || name.isGone) return Number.POSITIVE_INFINITY;
    name.generation++;
    this.#options.log.info({ upstream: name.text, addresses, gone }, `${name.text} has other addresses now`);
    this.#options.onChange();
    return Number.POSITIVE_INFINITY;
  }
}

const addressOf = ({ host, port }: Found): string => addressName(host, port);

const textOf = ({ kind, host, port, name }: GivenUpstream): string => {
  const target = `${kind === 'host' ? '' : `${kind}:`}${host}${port === 0 ? '' : `:${port}`}`;
  return name === `${host}:${port}` || name === host ? target : `${target};name=${name}`;
};
