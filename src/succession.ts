// `torc replace`, SIGUSR2: another torc takes over from this one, with the files, the settings and the Node of now. It gets the
// listening sockets, so no connection is refused and none that waits is lost; proves its settings; adopts the replicas; serves.
// Only then this one drains and ends. Whatever goes wrong before that, this one takes back what it gave and goes on.
// (docs/decisions/0028-succession.md)

import type { Replaced } from './admin/settings.ts';
import { type HandedSocket, type Successor, startSuccessor } from './cluster/successor.ts';
import type { Supervisor } from './control/supervisor.ts';
import { type Clock, systemClock } from './core/clock.ts';
import type { Past, TlsPast } from './core/succession.ts';

const POLL_MS = 20;

export interface Refusal {
  readonly status: number;
  readonly message: string;
}

export interface SuccessionOptions {
  readonly clock: Clock;
  /** Of the start: what was taken out of it since is given to the successor again. */
  readonly env: () => NodeJS.ProcessEnv;
  readonly lifeline: () => 'pipe' | 'ignore' | number;
  readonly sockets: () => readonly HandedSocket[];
  readonly tls: () => TlsPast | null;
  /** Why it cannot begin now, null where it can. */
  readonly refusal: () => Refusal | null;
  /** `tell`: what comes after that, while it is not known how it ends. */
  readonly giveUp: (tell: Successor['tell']) => Promise<Past>;
  readonly takeBack: () => Promise<void>;
  /** It is torc now; resolves when nobody new comes to this one any more. */
  readonly handOver: (successor: Successor) => Promise<void>;
  /** Tells everybody. */
  readonly failed: (text: string) => void;
}

export class Succession {
  readonly #options: SuccessionOptions;
  readonly #succeeded = Promise.withResolvers<Successor>();
  #isUnderWay = false;
  #isOver = false;
  #successor: Successor | null = null;
  readonly #calledOff = Promise.withResolvers<string>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SuccessionOptions) {
    this.#options = options;
  }

  /** This torc is not torc any more. */
  get succeeded(): Promise<Successor> {
    return this.#succeeded.promise;
  }

  /** Who is torc now, where this one is not any more. */
  get successor(): Successor | null {
    return this.#successor;
  }

  /** Ends a replacement that is under way, unless it is too late for that; resolves when there is none. */
  async callOff(why: string): Promise<void> {
    this.#calledOff.resolve(why);
    await this.#last;
  }

  /** Resolves when none is under way, with who is torc by then; null: this one still. */
  async settled(): Promise<Successor | null> {
    while (this.#isUnderWay && !this.#isOver) await this.#last;
    return this.#successor;
  }

  /** Why nothing is changed here now: another torc has read its settings. Null: none has. */
  get underWay(): Refusal | null {
    if (!this.#isUnderWay) return null;
    // Who has a connection from before is answered by the old one.
    return this.#isOver
      ? { status: 503, message: 'another torc has taken over: ask it, over a new connection' }
      : { status: 409, message: 'torc is being replaced: ask again when that is over' };
  }

  /** `by`: who asks, for the announcement. Never rejects. */
  replace(by: string): Promise<Replaced> {
    const refused = this.underWay ?? this.#options.refusal();
    if (refused !== null) return Promise.resolve({ ok: false, ...refused });
    this.#isUnderWay = true;
    const replaced = this.#replace(by);
    this.#last = replaced;
    return replaced;
  }

  async #replace(by: string): Promise<Replaced> {
    const { clock, env, lifeline, sockets, tls, refusal, giveUp, takeBack, handOver, failed } = this.#options;
    let given: Promise<Past> | null = null;
    let late: Refusal | null = null;
    const successor = await startSuccessor({
      clock,
      env: env(),
      lifeline: lifeline(),
      sockets: sockets(),
      tls: tls(),
      calledOff: this.#calledOff.promise,
      giveUp: async tell => {
        late = refusal();
        if (late !== null) throw new Error(late.message);
        given = giveUp(tell);
        return given;
      },
    });
    if (typeof successor === 'string') {
      if (given !== null) {
        // In the middle of it there is nothing to take yet.
        await Promise.allSettled([given]);
        await takeBack();
      }
      this.#isUnderWay = false;
      const { status, message: why } = (late as Refusal | null) ?? {
        status: 500,
        message: `the new one does not start: ${successor}`,
      };
      const message = `torc goes on as it was, ${why}`;
      failed(`not replaced (${by}): ${message}`);
      return { ok: false, status, message };
    }
    const { version, node } = successor;
    const pid = successor.process.pid!;
    const message = `torc ${version} (Node ${node}, pid ${pid}) takes over from pid ${process.pid}`;
    this.#isOver = true;
    this.#successor = successor;
    await handOver(successor);
    // Whoever asked hears of it by this process.
    setImmediate(() => this.#succeeded.resolve(successor));
    return { ok: true, message, pid, version, node };
  }
}

/** As many slots are ready as there were, or all that have a replica: only a torc may make others. */
export async function readyAgain(supervisor: Supervisor, count: number): Promise<void> {
  const isReadyAgain = (): boolean => {
    const slots = supervisor.slots();
    const ready = slots.filter(({ state }) => state === 'ready').length;
    return (
      ready >= count || (ready > 0 && slots.every(slot => slot.state === 'ready' || slot.replicaId === ''))
    );
  };
  while (!isReadyAgain()) await soon();
}

const soon = (): Promise<void> => new Promise(resolve => systemClock.after(POLL_MS, resolve));

/** Replicas that leave have requests of ours: a successor would end them without knowing. */
export async function noneLeaving(supervisor: Supervisor, mostMs: number): Promise<void> {
  const deadlineMs = systemClock.nowMs() + mostMs;
  while (supervisor.leavingCount() > 0 && systemClock.nowMs() < deadlineMs) await soon();
}
