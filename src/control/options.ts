// What the control plane is given: the outside world, time, luck and the settings it reads. A file of its own, because
// supervisor and fleet both take it, and neither should import the other for a type.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { RingAlgorithm } from '../core/types.ts';
import type { DataPlane } from './data-plane.ts';
import type { Driver, Probe } from './driver.ts';
import type { EventStore } from './journal.ts';
import type { QuestionSettings } from './questions.ts';
import type { SlotStore } from './slot-file.ts';

/** What the supervisor reads of the settings; a Config fits. */
export interface SupervisorSettings extends QuestionSettings {
  readonly replicas: number;
  readonly spares: number;
  readonly adopt: boolean;
  readonly ring: RingAlgorithm;
  readonly ringRows: number;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly heartbeatFall: number;
  readonly heartbeatRise: number;
  readonly deadAfterMs: number;
  readonly startTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly slowStartMs: number;
  readonly returnHow: 'now' | 'gradual';
}

export interface SupervisorOptions {
  readonly driver: Driver;
  readonly probe: Probe;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly dataPlane: DataPlane;
  /** Those in force: a reload brings others, so they are asked for where they are read, and never kept. */
  readonly settings: () => SupervisorSettings;
  /** The slots there are to be, where another torc had them; absent: as many as the settings say. */
  readonly slotNames?: readonly string[];
  /** Absent: events are in memory only. */
  readonly eventStore?: EventStore;
  /** Absent: weights that an operator set are in memory only. */
  readonly weightStore?: SlotStore<number>;
  /** Absent: so are the versions that slots have alone. */
  readonly canaryStore?: SlotStore<string>;
}
