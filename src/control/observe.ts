// Reads the driver's list: on demand, every 5 s anyway (any event may have been lost; more often where there are none), and with backoff while the
// driver does not answer. Lists never overlap; one that is asked for while another is under way follows it, because the
// one under way may be older than the reason for asking. An outage is told once, not once for each slot; that another torc has the
// driver for a while is none.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Driver, Replica } from './driver.ts';
import { inWords } from './replace.ts';

const OBSERVE_EVERY_MS = 5_000;
const RETRY_BASE_MS = 250;

export interface ObserverOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when a list is asked for: what it answers is handed back with the answer, to compare like with like. */
  readonly believed: () => readonly Replica[];
  /** `isReturn`: the driver did not answer before. */
  readonly onListed: (believed: readonly Replica[], listed: readonly Replica[], isReturn: boolean) => void;
  /** After each list, also a failed one. */
  readonly onDone: () => void;
}

/** Whether the driver answers, since when (since 1970), and if not, why. */
export interface DriverState {
  readonly reachable: boolean;
  readonly sinceMs: number;
  readonly cause: string | null;
}

export class Observer {
  readonly #options: ObserverOptions;
  #running: Promise<void> | null = null;
  #again = false;
  #isClosed = false;
  #failuresInRow = 0;
  #isTold = false;
  #state: DriverState;
  /** When the next list is due; Infinity while one is under way. */
  dueMs = Number.POSITIVE_INFINITY;

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.#state = { reachable: true, sinceMs: options.clock.wallMs(), cause: null };
  }

  get state(): DriverState {
    return this.#state;
  }

  get isAway(): boolean {
    return this.#failuresInRow > 0;
  }

  get isListing(): boolean {
    return this.dueMs === Number.POSITIVE_INFINITY;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Resolves once the list was read, or could not be, by a call that began after this one. Never rejects. */
  observe(): Promise<void> {
    if (this.#running) this.#again = true;
    this.#running ??= this.#observe();
    return this.#running;
  }

  async #observe(): Promise<void> {
    const { driver, clock, believed, onListed, onDone } = this.#options;
    do {
      this.#again = false;
      this.dueMs = Number.POSITIVE_INFINITY;
      const before = believed();
      const isReturn = this.isAway;
      const outcome = await driver.list().catch(inWords);
      if (this.#isClosed) break;
      const trouble = typeof outcome === 'string' ? outcome : (driver.trouble ?? '');
      const waitMs = trouble === '' ? this.#answered() : this.#failed(trouble);
      if (typeof outcome !== 'string') onListed(before, outcome, isReturn && trouble === '');
      this.dueMs = clock.nowMs() + waitMs;
      onDone();
    } while (this.#again);
    this.#running = null;
  }

  #answered(): number {
    const { clock, driver, log } = this.#options;
    if (this.isAway) this.#state = { reachable: true, sinceMs: clock.wallMs(), cause: null };
    this.#failuresInRow = 0;
    if (this.#isTold) log.info({ driver: driver.name }, 'the driver answers again');
    this.#isTold = false;
    return this.#everyMs;
  }

  #failed(cause: string): number {
    const { driver, clock, log } = this.#options;
    const sinceMs = this.isAway ? this.#state.sinceMs : clock.wallMs();
    this.#state = { reachable: false, sinceMs, cause };
    if (!this.#isTold && driver.isLent !== true) {
      this.#isTold = true;
      log.warn(
        { driver: driver.name, cause },
        'the driver does not answer; routing goes on, nothing is replaced',
      );
    }
    const retryMs = RETRY_BASE_MS * 2 ** Math.min(this.#failuresInRow++, 10);
    return Math.min(this.#everyMs, retryMs);
  }

  get #everyMs(): number {
    return this.#options.driver.observeEveryMs ?? OBSERVE_EVERY_MS;
  }
}
