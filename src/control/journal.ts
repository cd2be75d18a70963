// What happened to the slots, for people: the last changes with cause, source and timings, told to whoever listens and to
// the log. Kept apart from the decisions, which never read it.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { ReplicaState } from '../core/types.ts';
import type { Replica } from './driver.ts';
import type { Signal, Source } from './inbox.ts';
import type { Slot } from './slots.ts';

export interface ControlEvent {
  /** 1, 2, 3, ...: a listener that was away asks for those after the last it saw. */
  readonly seq: number;
  /** Since 1970. */
  readonly atMs: number;
  readonly slot: string;
  readonly spare: boolean;
  readonly generation: number;
  readonly replicaId: string;
  readonly label: string;
  readonly from: ReplicaState;
  readonly to: ReplicaState;
  readonly cause: string;
  readonly source: Source;
  /** From the last proof of life to the first signal: at most this long was it down unseen. */
  readonly detectedMs?: number;
  /** From the first signal to the publish that took it out of routing. */
  readonly ejectedMs?: number;
  /** From the first signal to the publish that brought the slot back. */
  readonly readyMs?: number;
}

/**
 * What is more than one slot's: a roll-out's progress, a decision to scale, another weight, a worker or a machine that was lost, a
 * reload, a torc that takes over.
 */
export interface Notice {
  readonly seq: number;
  /** Since 1970. */
  readonly atMs: number;
  readonly topic: 'rollout' | 'scale' | 'weight' | 'worker' | 'settings' | 'machine' | 'replace';
  readonly text: string;
}

export type JournalEntry = ControlEvent | Notice;

export const isNotice = (entry: JournalEntry): entry is Notice => 'topic' in entry;

/** One move before it is published. */
export interface Move {
  readonly slot: Slot;
  readonly generation: number;
  readonly replica: Replica;
  readonly from: ReplicaState;
  readonly to: ReplicaState;
  readonly cause: string;
  readonly source: Source;
  readonly trouble: Signal | null;
  /** Last proof of life before the trouble. */
  readonly aliveMs: number;
}

interface Announcement extends Pick<Notice, 'topic' | 'text'> {
  /** Of its line in the log. */
  readonly level: 'info' | 'warn';
}

/** Where entries go to outlive the process. */
export interface EventStore {
  /** Numbers go on after this one. */
  readonly lastSeq: number;
  append(entry: JournalEntry): void;
}

export type Listener = (entry: JournalEntry) => void;

const KEPT = 256;

export class Journal {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Set<Listener>();
  readonly #kept: JournalEntry[] = [];
  readonly #unpublished: (Move | Announcement)[] = [];
  readonly #store: EventStore | null;
  #seq = 0;

  constructor(clock: Clock, log: Log, store: EventStore | null) {
    this.#clock = clock;
    this.#log = log;
    this.#store = store;
  }

  get kept(): readonly JournalEntry[] {
    return this.#kept;
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  note(move: Move): void {
    this.#unpublished.push(move);
  }

  announce(topic: Notice['topic'], text: string, level: 'info' | 'warn' = 'info'): void {
    this.#unpublished.push({ topic, text, level });
  }

  /** What was noted is in routing now: stamps it and tells everybody. */
  published(): void {
    for (const noted of this.#unpublished.splice(0)) {
      if (!('topic' in noted)) this.#tell(this.#stamp(noted));
      else this.#tellNotice(noted);
    }
  }

  #tellNotice({ topic, text, level }: Announcement): void {
    this.#tell({ seq: this.#nextSeq(), atMs: this.#clock.wallMs(), topic, text });
    this.#log[level]({ topic }, text);
  }

  /** Another torc may have used some, while it tried to take over. */
  #nextSeq(): number {
    this.#seq = Math.max(this.#seq, this.#store?.lastSeq ?? 0) + 1;
    return this.#seq;
  }

  #stamp({ slot, replica, trouble, aliveMs, ...move }: Move): ControlEvent {
    const sinceMs = trouble === null ? 0 : round(this.#clock.nowMs() - trouble.atMs);
    const isOut = move.from === 'ready' && trouble !== null;
    return {
      seq: this.#nextSeq(),
      atMs: this.#clock.wallMs(),
      slot: slot.name,
      spare: slot.spare,
      replicaId: replica.id,
      label: replica.label,
      ...move,
      ...(isOut ? { detectedMs: round(Math.max(0, trouble.atMs - aliveMs)), ejectedMs: sinceMs } : {}),
      ...(move.to === 'ready' && trouble !== null ? { readyMs: sinceMs } : {}),
    };
  }

  #tell(entry: JournalEntry): void {
    this.#kept.push(entry);
    if (this.#kept.length > KEPT) this.#kept.shift();
    this.#store?.append(entry);
    if (!isNotice(entry)) this.#logMove(entry);
    for (const listener of this.#listeners) {
      try {
        listener(entry);
      } catch (error) {
        this.#log.error({ error: String(error) }, 'a listener of control events failed');
      }
    }
  }

  #logMove(event: ControlEvent): void {
    const { atMs: _, seq: __, ...fields } = event;
    const isLeftOff = event.source === 'listing' && event.to === 'draining';
    const wasIn = event.from === 'ready' || event.from === 'suspect';
    if (event.to === 'ready') this.#log.info(fields, `slot ${event.slot} is ready`);
    else if (wasIn && (event.source === 'operator' || isLeftOff))
      this.#log.info(fields, `slot ${event.slot} is ${event.to}: ${event.cause}`);
    else if (wasIn) this.#log.warn(fields, `slot ${event.slot} is ${event.to}`);
    else this.#log.debug(fields, `slot ${event.slot} is ${event.to}`);
  }
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
