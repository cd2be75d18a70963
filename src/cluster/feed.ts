// How one worker gets the snapshots, as fast as it takes them. Each is whole, so a newer one makes those before it needless: a
// few are under way at a time, and what comes meanwhile waits as one, the newest. Without this a thousand replicas that
// become ready one by one are a thousand snapshots of a thousand in the channel, and a worker that has them to read answers
// nothing else for so long that it is taken for hung (seen: all four were ended at the start).
// What only a snapshot that was left out told of the lost is told with the next. A question that is asked after a publish
// finds it done (messages.ts), so whoever asks one has what waits sent first.

import type { Config } from '../config/fields.ts';
import type { Publish } from '../core/messages.ts';
import type { SnapshotMessage } from '../core/types.ts';

/** Enough that a loss never waits in quiet times; few milliseconds of a worker's work, also with a thousand slots. */
const MOST_UNDER_WAY = 4;

export class Feed {
  readonly #send: (message: Publish) => void;
  #config: Config;
  #tableVersion = -1;
  #underWay = 0;
  #waiting: { readonly snapshot: SnapshotMessage; readonly config: Config } | null = null;

  /** `config`: what the worker was started with. */
  constructor(config: Config, send: (message: Publish) => void) {
    this.#config = config;
    this.#send = send;
  }

  publish(snapshot: SnapshotMessage, config: Config): void {
    const { lost = [], gone = [], failing = [] } = this.#waiting?.snapshot ?? {};
    const all = {
      ...snapshot,
      lost: union(lost, snapshot.lost),
      gone: union(gone, snapshot.gone),
      failing: union(failing, snapshot.failing),
    };
    this.#waiting = { snapshot: this.#waiting === null ? snapshot : all, config };
    if (this.#underWay < MOST_UNDER_WAY) this.flush();
  }

  /** The worker has taken one. */
  applied(): void {
    this.#underWay--;
    if (this.#underWay < MOST_UNDER_WAY) this.flush();
  }

  /** Sends what waits, however many are under way. */
  flush(): void {
    if (this.#waiting === null) return;
    const { snapshot, config } = this.#waiting;
    this.#waiting = null;
    this.#underWay++;
    const hasTable = this.#tableVersion === snapshot.tableVersion;
    const settings = config === this.#config ? null : config;
    this.#tableVersion = snapshot.tableVersion;
    this.#config = config;
    this.#send({
      type: 'publish',
      snapshot: hasTable ? { ...snapshot, choices: null, points: null } : snapshot,
      settings,
    });
  }
}

const union = (a: readonly string[], b: readonly string[]): readonly string[] =>
  a.length === 0 ? b : [...new Set([...a, ...b])];
