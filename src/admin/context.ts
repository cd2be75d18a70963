// What the control endpoints are given by the primary: the state they show, and what they may ask of it. The composition
// root makes one (primary.ts).

import type { Config } from '../config/fields.ts';
import type { Driver } from '../control/driver.ts';
import type { Supervisor } from '../control/supervisor.ts';
import type { Clock } from '../core/clock.ts';
import type { WorkerRing } from '../core/messages.ts';
import type { CertificateExpiry } from '../core/tls-material.ts';
import type { Totals } from '../routing/counters.ts';
import type { HotKeysReport } from '../routing/hot-keys.ts';
import type { RecentView } from '../routing/recent.ts';
import type { Audit } from './audit.ts';
import type { Past } from './events.ts';
import type { Replaced, SettingsSource } from './settings.ts';

/** What the endpoints need of the primary. `collect` has the workers hand in their counters first. */
export interface AdminContext {
  /** Those in force, and their reload; `config` is their values, asked for anew each time. */
  readonly settings: SettingsSource;
  readonly config: Config;
  readonly clock: Clock;
  readonly supervisor: Supervisor;
  readonly totals: Totals;
  readonly driver: Pick<Driver, 'name' | 'program' | 'creates' | 'orders' | 'difference'>;
  readonly audit: Audit;
  /** Events of earlier times. */
  readonly past: Past;
  /** Of torc itself; when it started (since 1970); how many workers there should be. */
  readonly version: string;
  readonly startedMs: number;
  readonly wantedWorkers: number;
  /** Hashes of keys are made with it. */
  readonly secret: Buffer;
  collect(what?: 'counts' | 'keys' | 'hot keys'): Promise<boolean>;
  /** As collected last. */
  hotKeys(): readonly HotKeysReport[];
  inFlight(slot: string): number;
  queued(slot: string): number;
  /** Another torc takes over; `by`: who asks. */
  replaceTorc(by: string): Promise<Replaced>;
  recent(replicaId: string | null, windowMs: number): RecentView;
  rings(): readonly WorkerRing[];
  workerRestarts(): number;
  certificates(): readonly CertificateExpiry[];
  workersHung(): number;
}
