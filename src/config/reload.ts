// Reading the settings again while torc serves: settings file, Compose files, token files, certificates, the file of
// upstreams. In two steps, as a database commits: every part of torc says what is wrong with what it would have to take,
// and only if none has a fault do all of them take it, in one turn of the event loop. So a mistake changes nothing, and no
// half of a change is ever in force. Flags and environment are those of the start: a process cannot get others.

import { type Change, type Comparison, compareSettings } from './changes.ts';
import type { Config, FieldKey } from './fields.ts';
import type { DriverName } from './kinds.ts';
import type { Loaded, Origin, Settings } from './load.ts';

/** What a part of torc makes of other settings, or of files that settings name. */
export interface Prepared {
  /** Each with the setting's name first. */
  readonly faults: readonly string[];
  /** Not a fault of the settings: not now. */
  readonly refusal?: { readonly status: number; readonly message: string } | null;
  /** What is other than before although no setting is, in words: files that were read again. */
  readonly changed?: readonly string[];
  /** Called when nobody has a fault; at once, and cannot fail. */
  apply(): void;
  /** Called when all parts have taken the settings: what takes its time. */
  begin?(): void;
}

/** Nothing changes before `apply`. */
export type Part = (comparison: Comparison, before: Config) => Prepared | Promise<Prepared>;

export type ReloadOutcome =
  | {
      readonly ok: true;
      /** In force in all workers. */
      readonly changed: readonly Change[];
      /** What a roll-out brings that has begun. */
      readonly rollout: readonly Change[];
      /** Not before torc is started again. */
      readonly restart: readonly Change[];
      /** Files that were read again and have changed. */
      readonly files: readonly string[];
    }
  | { readonly ok: false; readonly status: number; readonly faults: readonly string[] };

export interface ReloaderOptions {
  /** Those of the start. */
  readonly settings: Settings;
  readonly load: () => Loaded;
  readonly driver: () => DriverName;
  /** In the order in which they take the settings. */
  readonly parts: readonly Part[];
  /** Why nothing can be reloaded now, null where it can. */
  readonly refusal: () => { readonly status: number; readonly message: string } | null;
  /** One begins; `announce` is its end. */
  readonly began: () => void;
  /** Tells everybody. */
  readonly announce: (text: string, level: 'info' | 'warn') => void;
}

export class Reloader {
  readonly #options: ReloaderOptions;
  #settings: Settings;
  #waiting: ReadonlyMap<FieldKey, Origin> = new Map();
  #current: Promise<ReloadOutcome> | null = null;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#settings = options.settings;
  }

  /** In force now. */
  get settings(): Settings {
    return this.#settings;
  }

  /** What the next start would read where it is another value. */
  get waiting(): ReadonlyMap<FieldKey, Origin> {
    return this.#waiting;
  }

  /** Resolves when none is under way. */
  async settled(): Promise<void> {
    while (this.#current !== null) await this.#current;
  }

  /** One at a time. `by`: who asks, for the announcement. Never rejects. */
  async reload(by: string): Promise<ReloadOutcome> {
    const refusal = this.#options.refusal();
    if (refusal !== null) return { ok: false, status: refusal.status, faults: [refusal.message] };
    if (this.#current !== null)
      return { ok: false, status: 409, faults: ['a reload is under way: ask again when it is over'] };
    this.#options.began();
    this.#current = this.#reload();
    try {
      const outcome = await this.#current;
      this.#options.announce(inWords(outcome, by), outcome.ok ? 'info' : 'warn');
      return outcome;
    } finally {
      this.#current = null;
    }
  }

  async #reload(): Promise<ReloadOutcome> {
    const loaded = this.#options.load();
    if (loaded.kind !== 'config')
      return { ok: false, status: 400, faults: loaded.kind === 'faults' ? loaded.faults : [] };
    const comparison = compareSettings(this.#settings, loaded, this.#options.driver());
    const before = this.#settings.config;
    const parts: Prepared[] = [];
    const faults = [...comparison.faults];
    for (const part of this.#options.parts) {
      try {
        parts.push(await part(comparison, before));
      } catch (error) {
        faults.push(...(error instanceof Error ? error.message : String(error)).split('\n'));
      }
    }
    for (const part of parts) faults.push(...part.faults);
    if (faults.length > 0) return { ok: false, status: 400, faults: [...new Set(faults)] };
    const refusal = this.#options.refusal() ?? parts.find(part => part.refusal)?.refusal;
    if (refusal) return { ok: false, status: refusal.status, faults: [refusal.message] };
    this.#settings = comparison.settings;
    this.#waiting = comparison.waiting;
    for (const part of parts) part.apply();
    for (const part of parts) part.begin?.();
    const { live: changed, rollout, restart } = comparison;
    return { ok: true, changed, rollout, restart, files: parts.flatMap(part => part.changed ?? []) };
  }
}

const LONGEST_VALUE = 60;

export function inWords(outcome: ReloadOutcome, by: string): string {
  if (!outcome.ok) return `settings not reloaded (${by}), nothing has changed: ${outcome.faults.join('; ')}`;
  const { changed, rollout, restart, files } = outcome;
  const said = [
    ...changed.map(told),
    ...files,
    ...(rollout.length === 0 ? [] : [`to be rolled out: ${rollout.map(told).join(', ')}`]),
    ...(restart.length === 0
      ? []
      : [`not before torc is replaced (torc replace): ${restart.map(told).join(', ')}`]),
  ];
  return `settings reloaded (${by}): ${said.length === 0 ? 'nothing has changed' : said.join('; ')}`;
}

function told({ name, from, to }: Change): string {
  const shown = (text: string | null): string =>
    text === null ? 'unset' : text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}...` : text;
  return from === to ? `${name} has changed` : `${name} ${shown(from)} -> ${shown(to)}`;
}
