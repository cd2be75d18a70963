// The primary's part of HTTPS: certificates and ticket keys, which it alone makes or reads, on their way to every worker. What
// a worker starts with and what all get later are the same messages.

import type { Config } from '../config/fields.ts';
import { systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { ToWorker } from '../core/messages.ts';
import type { TlsPast } from '../core/succession.ts';
import { CertificateStore } from './certificates.ts';
import { TicketKeys } from './ticket-keys.ts';

export class Https {
  readonly store: CertificateStore;
  readonly #tickets: TicketKeys;
  readonly #rotationMs: number;
  readonly #tell: (message: ToWorker) => void;

  /** `before`: of the torc that this one takes over from. `tell`: says it to all workers that there are. */
  constructor(config: Config, log: Log, before: TlsPast | null, tell: (message: ToWorker) => void) {
    this.#tickets = new TicketKeys(systemClock.wallMs(), before);
    this.#rotationMs = config.tlsTicketRotationMs;
    this.#tell = tell;
    this.store = new CertificateStore({
      config,
      clock: systemClock,
      log,
      changed: material => tell({ type: 'tls', material }),
      selfSigned: before?.selfSigned ?? null,
    });
  }

  /** Rejects with StartError. */
  async open(): Promise<void> {
    await this.store.open();
    this.#tickets.run(systemClock, this.#rotationMs, () => this.#tell(this.#keys));
  }

  /** What a new worker has to know. */
  greeting(): readonly ToWorker[] {
    return [{ type: 'tls', material: this.store.material }, this.#keys];
  }

  /** For a successor: clients meet the same certificate, and resume. */
  get past(): TlsPast {
    const { keys: ticketKeys, rotatedMs } = this.#tickets;
    return { ticketKeys, rotatedMs, selfSigned: this.store.selfSigned };
  }

  get #keys(): ToWorker {
    return { type: 'ticket-keys', keys: this.#tickets.keys };
  }

  close(): void {
    this.store.close();
    this.#tickets.close();
  }
}
