// `/admin/events`: server-sent events, first what was asked for of the past, then each change as it happens. The past is
// in memory as far as it goes, and on disk before that and from earlier runs (control/event-file.ts).

import { isNotice, type JournalEntry, type Supervisor } from '../control/supervisor.ts';
import type { Clock } from '../core/clock.ts';
import type { AdminChannel, AdminReply, AdminRequest } from '../core/messages.ts';
import { valuesOf } from './access.ts';

export const MAX_EVENT_READERS = 100;
/** A comment line this often keeps proxies and readers from taking a quiet stream for a dead one. */
const COMMENT_MS = 15_000;
/** Some 350 bytes each: what one answer may hold of the past. */
const MOST_PAST = 3_000;

/** Which of the past is wanted. */
export type Since = { readonly seq: number } | { readonly atMs: number };

export interface Past {
  read(isWanted: (seq: number, atMs: number) => boolean, most: number): Promise<JournalEntry[]>;
}

/** `?since=` (a number of an event, or a time) before `Last-Event-ID`; null: what is in memory. A string says what is wrong. */
export function readSince(query: URLSearchParams, request: AdminRequest): Since | null | string {
  const text = query.get('since') ?? valuesOf(request, 'last-event-id')[0] ?? '';
  if (/^\d{1,15}$/.test(text)) return { seq: Number(text) };
  if (query.get('since') === null) return null;
  const atMs = Date.parse(text);
  if (/^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(atMs)) return { atMs };
  return 'since is the number of an event, or a time like 2026-11-27T03:00:00Z';
}

export class EventStreams {
  readonly #supervisor: Supervisor;
  readonly #clock: Clock;
  readonly #past: Past;
  #readers = 0;

  constructor(supervisor: Supervisor, clock: Clock, past: Past) {
    this.#supervisor = supervisor;
    this.#clock = clock;
    this.#past = past;
  }

  get isFull(): boolean {
    return this.#readers >= MAX_EVENT_READERS;
  }

  async open(since: Since | null, channel: AdminChannel): Promise<AdminReply> {
    this.#readers++;
    let isOver = false;
    let end = (): void => {};
    channel.onCancel = () => {
      channel.onCancel = null;
      isOver = true;
      this.#readers--;
      end();
    };
    const before = since === null ? [] : await this.#before(since);
    if (!isOver) end = this.#follow(channel);
    const isWanted = (event: JournalEntry): boolean =>
      since === null || ('seq' in since ? event.seq > since.seq : event.atMs >= since.atMs);
    const past = before.concat(this.#supervisor.events().filter(isWanted)).slice(-MOST_PAST);
    const cut = past.length === MOST_PAST ? `: only the last ${MOST_PAST}\n\n` : '';
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
      body: `: torc events\n\n${cut}${past.map(eventText).join('')}`,
      more: true,
    };
  }

  /** Those that are on disk only. */
  #before(since: Since): Promise<JournalEntry[]> {
    const first = this.#supervisor.events()[0]?.seq ?? Number.POSITIVE_INFINITY;
    if ('seq' in since && since.seq >= first - 1) return Promise.resolve([]);
    return this.#past.read(
      (seq, atMs) => seq < first && ('seq' in since ? seq > since.seq : atMs >= since.atMs),
      MOST_PAST,
    );
  }

  #follow(channel: AdminChannel): () => void {
    const unsubscribe = this.#supervisor.subscribe(event => channel.chunk(eventText(event), false));
    let timer = this.#clock.after(COMMENT_MS, comment);
    const clock = this.#clock;
    function comment(): void {
      channel.chunk(': still here\n\n', false);
      timer = clock.after(COMMENT_MS, comment);
    }
    return () => {
      unsubscribe();
      timer.cancel();
    };
  }
}

const eventText = (event: JournalEntry): string =>
  `id: ${event.seq}\nevent: ${isNotice(event) ? event.topic : event.to}\ndata: ${JSON.stringify(event)}\n\n`;
