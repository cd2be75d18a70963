// The engine's event stream, kept open. It is resumed with `since` after a cut, doubles are dropped, and every reopening
// is told as a resync, because an engine that restarted remembers nothing from before and one that lives only its last
// 256 events. One stream without a label filter: that filter would drop the network's events, which carry no labels.
// The filter on event names is the engine's, or the exec events of health checks would be most of the stream.

import type { Log } from '../../core/log.ts';
import type { Engine } from './engine.ts';

export interface EngineMessage {
  readonly Type: string;
  /** Also with a value: "health_status: unhealthy". */
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  /** By the engine's clock, since 1970; 0 where it did not say. */
  readonly atMs?: number;
}

const WATCHED: { type: ('container' | 'network' | 'volume')[]; event: string[] } = {
  type: ['container', 'network', 'volume'],
  event: [
    ...['create', 'start', 'kill', 'die', 'oom', 'destroy', 'pause', 'unpause', 'health_status'],
    ...['connect', 'disconnect'],
    // Podman's words for die (up to 4.3) and destroy; Docker knows neither of containers.
    ...['died', 'remove'],
  ],
};
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 5_000;
/** A resume repeats what happened in the last instant seen; more than the engine's own memory is never repeated. */
const REMEMBERED = 512;
/** An event is about 1 KiB; a line longer than this is no event. */
const LONGEST_LINE = 1024 * 1024;

export interface EventStreamOptions {
  readonly engine: Engine;
  readonly log: Log;
  readonly onMessage: (message: EngineMessage) => void;
  readonly onResync: (cause: string) => void;
}

export class EventStream {
  readonly #options: EventStreamOptions;
  readonly #seen = new Set<string>();
  /**
   * Seconds of the last event, cut to microseconds, which a number still holds exactly; before the first event those of
   * the first opening, by our clock; 0 before that.
   */
  #since = 0;
  #current: NodeJS.ReadableStream | null = null;
  #retry: NodeJS.Timeout | null = null;
  #abort = new AbortController();

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  /** Resolves when events flow. */
  async open(): Promise<void> {
    const signal = this.#abort.signal;
    const openedAtS = Date.now() / 1000;
    const stream = await this.#options.engine.stream('cannot listen to events', docker =>
      docker.getEvents({
        filters: WATCHED,
        abortSignal: signal,
        ...(this.#since === 0 ? {} : { since: this.#since }),
      }),
    );
    if (this.#since === 0) this.#since = openedAtS;
    this.#current = stream;
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LONGEST_LINE) rest = '';
      for (const line of lines) this.#onLine(line);
    });
    const ended = (why: string): void => {
      if (this.#current !== stream) return;
      this.#current = null;
      this.#reopenLater(FIRST_RETRY_MS, why);
    };
    stream.on('error', (error: Error) => ended(error.message));
    stream.on('end', () => ended('it ended'));
    stream.on('close', () => ended('it was closed'));
  }

  close(): void {
    this.#current = null;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#abort.abort();
  }

  #onLine(line: string): void {
    const message = parseMessage(line);
    if (message === null) return;
    // Read from the text: as a JS number it would lose its last digits (it exceeds 2^53).
    const timeNano = /"timeNano":(\d{10,})/.exec(line)?.[1] ?? '';
    const key = `${timeNano} ${message.Actor.ID} ${message.Action} ${message.Actor.Attributes.container ?? ''}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value!);
    if (timeNano !== '') this.#since = Number(`${timeNano.slice(0, -9)}.${timeNano.slice(-9, -3)}`);
    this.#options.onMessage({ ...message, atMs: Number(timeNano) / 1e6 });
  }

  #reopenLater(delayMs: number, why: string): void {
    if (this.#abort.signal.aborted) return;
    this.#options.log.debug({ why, delayMs }, "the engine's event stream was cut");
    this.#retry = setTimeout(() => void this.#reopen(delayMs), delayMs);
  }

  async #reopen(delayMs: number): Promise<void> {
    try {
      await this.open();
      if (!this.#abort.signal.aborted) this.#options.onResync('docker event stream resumed');
    } catch (error) {
      this.#reopenLater(Math.min(delayMs * 2, LONGEST_RETRY_MS), (error as Error).message);
    }
  }
}

function parseMessage(line: string): EngineMessage | null {
  if (line.trim() === '') return null;
  try {
    const { Type, Action, Actor } = JSON.parse(line) as Partial<EngineMessage>;
    if (typeof Type !== 'string' || typeof Action !== 'string' || typeof Actor?.ID !== 'string') return null;
    return { Type, Action, Actor: { ID: Actor.ID, Attributes: Actor.Attributes ?? {} } };
  } catch {
    return null;
  }
}
