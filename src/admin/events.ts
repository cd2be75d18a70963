// `/admin/events`: server-sent events, first what was asked for of the past, then each change as it happens. The past is
// in memory as far as it goes, and on disk before that and from earlier runs (control/event-file.ts). A long past comes in
// pages: an answer that holds MOST_PAST events ends there, and a reader of event streams asks for what follows by itself,
// with `Last-Event-ID`, as it does after any end.

import { isNotice, type JournalEntry, type Supervisor } from '../control/supervisor.ts';
import type { Clock } from '../core/clock.ts';
import type { AdminChannel, AdminReply, AdminRequest } from '../core/messages.ts';
import { valuesOf } from './access.ts';
import { failure, streamReply } from './replies.ts';

const MAX_EVENT_READERS = 100;
/** A comment line this often keeps proxies and readers from taking a quiet stream for a dead one. */
const COMMENT_MS = 15_000;
/** Some 350 bytes each: what one answer may hold of the past. */
const MOST_PAST = 3_000;

/** Which of the past is wanted. */
export type Since = { readonly seq: number } | { readonly atMs: number };

export interface Past {
  read(
    isWanted: (seq: number, atMs: number) => boolean,
    most: number,
    isOver: () => boolean,
  ): Promise<JournalEntry[]>;
}

const NUMBER = /^\d{1,15}$/;

/**
 * `Last-Event-ID` before `?since=` (a number of an event, or a time): a reader that comes back has the same target as the
 * first time. Null: what is in memory. A string says what is wrong.
 */
function readSince(query: URLSearchParams, request: AdminRequest): Since | null | string {
  const last = valuesOf(request, 'last-event-id')[0] ?? '';
  if (NUMBER.test(last)) return { seq: Number(last) };
  const text = query.get('since');
  if (text === null) return null;
  if (NUMBER.test(text)) return { seq: Number(text) };
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

  answer(
    request: AdminRequest,
    query: URLSearchParams,
    channel: AdminChannel,
  ): Promise<AdminReply> | AdminReply {
    const since = readSince(query, request);
    if (typeof since === 'string') return failure(400, since);
    if (request.method === 'HEAD') return { ...streamReply, more: false };
    if (this.#readers >= MAX_EVENT_READERS)
      return failure(503, `${MAX_EVENT_READERS} readers of events are enough`);
    return this.#open(since, channel);
  }

  async #open(since: Since | null, channel: AdminChannel): Promise<AdminReply> {
    this.#readers++;
    let isOver = false;
    let end = (): void => {};
    channel.onCancel = () => {
      channel.onCancel = null;
      isOver = true;
      this.#readers--;
      end();
    };
    const past = since === null ? [...this.#supervisor.events()] : await this.#since(since, () => isOver);
    const page = past.slice(0, MOST_PAST);
    const isWhole = page.length === past.length;
    if (isWhole && !isOver) end = this.#follow(channel);
    if (!isWhole && !isOver) channel.onCancel();
    const more = isWhole ? '' : `: more follow: ?since=${page.at(-1)!.seq}\n\n`;
    return {
      ...streamReply,
      body: `: torc events\n\n${page.map(eventText).join('')}${more}`,
      more: isWhole,
    };
  }

  /** The first of them, at least one more than a page holds if there are; from memory alone where it goes back so far. */
  async #since(since: Since, isOver: () => boolean): Promise<JournalEntry[]> {
    const isWanted = (seq: number, atMs: number): boolean =>
      'seq' in since ? seq > since.seq : atMs >= since.atMs;
    const first = this.#supervisor.events()[0]?.seq ?? Number.POSITIVE_INFINITY;
    const isInMemory = 'seq' in since && since.seq >= first - 1;
    const before = isInMemory ? [] : await this.#past.read(isWanted, MOST_PAST + 1, isOver);
    const last = before.at(-1)?.seq ?? 0;
    return before.concat(
      this.#supervisor.events().filter(({ seq, atMs }) => seq > last && isWanted(seq, atMs)),
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
