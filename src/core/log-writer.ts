// Carries lines to the log's descriptor without ever waiting for it: a write takes what fits now, the rest waits in memory
// up to a bound, and beyond that lines are dropped, counted, and told once half of the bound is free again (so that a
// gap is one gap, with its number where it is). Whoever serves requests never stands still for a reader that does not read.
//
// Why not a thread that may block (pino's `sync: false`): it never ends, and a process that exits waits for its threads.
// The descriptor is non-blocking instead, and a write from the event loop costs what a blocking one did. Primary and
// workers share one pipe, so a write is whole lines and at most PIPE_BUF bytes: the pipe takes all of it or nothing.

import { constants, fstatSync, openSync, writeSync } from 'node:fs';

/** Bytes that wait for room; beyond them lines are dropped. */
export const WAITING_BYTES = 1024 * 1024;
/** Linux's PIPE_BUF (pipe(7)); a longer line is shortened to it. */
const WHOLE_BYTES = 4096;
/** Until the next try on a full pipe, doubled each time in vain. */
const RETRY_MS = 1;
const RETRY_MAX_MS = 100;
/** How long the end of the process waits for a reader that goes on reading. */
const LAST_WORDS_MS = 250;
const LAST_WORDS_POLL_MS = 5;
/** Written lines that are kept until they are taken out together. */
const FORGET_AT = 1024;

export interface LogWriterEvents {
  /** A line could not be written; called for each reason other than "no room now". */
  onFault(error: NodeJS.ErrnoException): void;
  /** There is room again behind `dropped` lost lines: the place to write a line about it. */
  onGap(dropped: number): void;
}

export class LogWriter {
  readonly #fd: number;
  readonly #events: LogWriterEvents;
  #lines: string[] = [];
  #next = 0;
  #bytes = 0;
  /** What a write left of its lines; goes first. */
  #rest: Buffer | null = null;
  #retryMs = RETRY_MS;
  #retry: NodeJS.Timeout | null = null;
  #writing = false;
  #inGap = 0;
  #dropped = 0;

  constructor(fd: number, events: LogWriterEvents) {
    this.#fd = nonBlocking(fd);
    this.#events = events;
  }

  /** A line with its line feed. */
  write(line: string): void {
    let bytes = Buffer.byteLength(line);
    if (bytes > WHOLE_BYTES) {
      line = shortened(line);
      bytes = Buffer.byteLength(line);
    }
    if (this.#inGap > 0 || this.#bytes + bytes > WAITING_BYTES) {
      this.#inGap++;
      this.#dropped++;
      return;
    }
    this.#lines.push(line);
    this.#bytes += bytes;
    if (this.#retry === null && !this.#writing) this.#writeOut();
  }

  /** Lines dropped since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** The process ends: writes what a reader still takes, for a moment. */
  end(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#writing = true;
    this.#tellGap(Number.POSITIVE_INFINITY);
    const pause = new Int32Array(new SharedArrayBuffer(4));
    const untilMs = performance.now() + LAST_WORDS_MS;
    while (this.#bytes > 0 && performance.now() < untilMs) {
      const code = this.#writeSome();
      if (code === 'EAGAIN') Atomics.wait(pause, 0, 0, LAST_WORDS_POLL_MS);
      else if (code !== '') return;
    }
  }

  #writeOut(): void {
    this.#writing = true;
    while (this.#bytes > 0 && this.#retry === null) {
      if (this.#writeSome() !== '') this.#retryLater();
      else this.#retryMs = RETRY_MS;
      this.#tellGap(WAITING_BYTES / 2);
    }
    this.#writing = false;
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#writeOut();
    }, this.#retryMs).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  #tellGap(mostBytes: number): void {
    if (this.#inGap === 0 || this.#bytes > mostBytes) return;
    const dropped = this.#inGap;
    this.#inGap = 0;
    this.#events.onGap(dropped);
  }

  /** One write of whole lines; '' or the code of what was in its way. */
  #writeSome(): string {
    const bytes = this.#rest ?? this.#batch();
    try {
      const written = writeSync(this.#fd, bytes);
      this.#bytes -= written;
      this.#rest = written === bytes.length ? null : bytes.subarray(written);
      return '';
    } catch (caught) {
      const error = caught as NodeJS.ErrnoException;
      this.#rest = bytes;
      if (error.code !== 'EAGAIN') this.#events.onFault(error);
      return error.code ?? 'UNKNOWN';
    }
  }

  #batch(): Buffer {
    let text = this.#lines[this.#next++]!;
    let bytes = Buffer.byteLength(text);
    while (this.#next < this.#lines.length) {
      const line = this.#lines[this.#next]!;
      bytes += Buffer.byteLength(line);
      if (bytes > WHOLE_BYTES) break;
      text += line;
      this.#next++;
    }
    if (this.#next === this.#lines.length || this.#next >= FORGET_AT) {
      this.#lines.splice(0, this.#next);
      this.#next = 0;
    }
    return Buffer.from(text);
  }
}

/**
 * A descriptor of the same pipe or terminal that does not block. Opened anew where the system can, because O_NONBLOCK
 * belongs to the open file, and that one is shared with the shell and whoever else writes there. Files are written as
 * they are: they have room or an error, and their position is shared too.
 */
function nonBlocking(fd: number): number {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    if (fstatSync(fd).isFile()) return fd;
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // A socket (journald), another user's pipe, or no /proc: O_NONBLOCK has to be shared. The primary's own stream of
    // stdout sets it, until it exits; its workers have the same open file, as a descriptor that Node leaves alone.
    if (fd === 1) void process.stdout.writable;
    return fd;
  }
}

/** A JSON line whose longest texts are cut until it is at most WHOLE_BYTES; what is no JSON stays. */
function shortened(line: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  let short = line;
  for (let most = WHOLE_BYTES / 2; most > 0 && Buffer.byteLength(short) > WHOLE_BYTES; most >>= 1) {
    const cut = (_name: string, value: unknown): unknown =>
      typeof value === 'string' && value.length > most ? `${value.slice(0, most)}...` : value;
    short = `${JSON.stringify(fields, cut)}\n`;
  }
  return short;
}
