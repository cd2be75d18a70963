// Keeps one torc in agreement with the others of its service, at each list: store.ts decides, the managers write. Beside the
// list, which waits for no write, and never while the service is being updated; what fails is tried again some seconds later.

import type { Log } from '../../core/log.ts';
import type { Managers } from './managers.ts';
import type { SwarmService } from './objects.ts';
import { type Agreement as Agreed, agree, type Shared, withShared } from './store.ts';
import { isUpdating } from './write.ts';

const RETRY_MS = 5_000;

export interface AgreementOptions {
  readonly service: string;
  readonly managers: Managers;
  readonly nowMs: () => number;
  readonly log: Log;
}

export class Agreement {
  readonly #options: AgreementOptions;
  #own: Shared;
  #agreed: Shared | null = null;
  #isWriting = false;
  #writeAtMs = 0;
  /** What it differs in, as the log said it last; '' where it does not. */
  #said = '';

  constructor(own: Shared, options: AgreementOptions) {
    this.#own = own;
    this.#options = options;
  }

  /** In what this torc differs from the others of its service; '' where it does not. */
  get difference(): string {
    return this.#said;
  }

  /** Other settings are in force here. */
  configure(own: Shared): void {
    this.#own = own;
    this.#writeAtMs = 0;
  }

  /** At the start: why this torc is not to serve; null: it may. */
  refusal({ Spec }: SwarmService): string | null {
    const step = agree(Spec, this.#state());
    return step.kind === 'differ'
      ? `the torcs of service ${Spec.Name} would not route alike: ${step.faults.join('; ')}. To begin anew with other settings: docker service update --label-rm torc.shared ${Spec.Name}`
      : null;
  }

  look(service: SwarmService): void {
    const step = agree(service.Spec, this.#state());
    if (step.kind === 'agree') this.#agreed = this.#own;
    this.#say(step.kind === 'differ' ? step.faults.join('; ') : '');
    if (step.kind !== 'write' || this.#isWriting || isUpdating(service)) return;
    if (this.#options.nowMs() >= this.#writeAtMs) void this.#write();
  }

  #state(): Agreed {
    return { own: this.#own, agreed: this.#agreed };
  }

  async #write(): Promise<void> {
    const { managers, service: name, nowMs, log } = this.#options;
    this.#isWriting = true;
    this.#writeAtMs = nowMs() + RETRY_MS;
    try {
      // By what it says then: another torc may have been first, with the same or with others.
      await managers.change(name, ({ Spec }) => {
        const step = agree(Spec, this.#state());
        return step.kind === 'write' ? withShared(Spec, step.shared) : null;
      });
    } catch (error) {
      log.debug({ error: (error as Error).message }, 'what the torcs of a service share is written later');
    }
    this.#isWriting = false;
  }

  #say(difference: string): void {
    const { log, service } = this.#options;
    if (difference === this.#said) return;
    if (difference === '') log.info({ service }, 'this torc agrees with the others of its service again');
    else
      log.warn(
        { service },
        `this torc routes otherwise than the others of service ${service}: ${difference}`,
      );
    this.#said = difference;
  }
}
