// What happened last night: control events on disk, one JSON line each, so that they outlive torc and the last 256 in
// memory. Appended through a stream, because a disk that hangs must not hang the supervisor; two files of a bounded size,
// the full one becomes the old one. A disk that fails, or takes nothing, is told once and costs the events, never anything
// that serves. Read in pieces and by one reader after another, because the primary has heartbeats to judge meanwhile. A
// crash may leave half a line: what does not parse is passed over.

import {
  closeSync,
  createWriteStream,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  type WriteStream,
} from 'node:fs';
import { open } from 'node:fs/promises';
import type { Log } from '../core/log.ts';
import type { JournalEntry } from './journal.ts';

const MOST_BYTES = 4 * 1024 * 1024;
/** What a disk that takes nothing may hold of our memory. */
const MOST_WAITING_BYTES = 1024 * 1024;
/** Enough for the last whole line. */
const TAIL_BYTES = 64 * 1024;
const OWNER_ONLY = 0o600;

export class EventFile {
  /** Of the last event on disk when it was opened; numbers go on from there. */
  lastSeq = 0;
  readonly #path: string;
  readonly #log: Log;
  readonly #mostBytes: number;
  #stream: WriteStream | null = null;
  #bytes = 0;
  #left = 0;
  #read: Promise<unknown> = Promise.resolve();

  constructor(path: string, log: Log, mostBytes = MOST_BYTES) {
    this.#path = path;
    this.#log = log;
    this.#mostBytes = mostBytes;
    this.open();
  }

  /** Also again, after `close`: another torc may have written meanwhile. */
  open(): void {
    this.lastSeq = lastSeqOf(this.#path) || lastSeqOf(old(this.#path));
    this.#open();
  }

  append(entry: JournalEntry): void {
    if (this.#stream === null || this.#isStuck(this.#stream)) return;
    const line = `${JSON.stringify(entry)}\n`;
    const bytes = Buffer.byteLength(line);
    if (this.#bytes > 0 && this.#bytes + bytes > this.#mostBytes) this.#rotate();
    this.#bytes += bytes;
    this.#stream?.write(line);
  }

  #isStuck(stream: WriteStream): boolean {
    const isStuck = stream.writableLength > MOST_WAITING_BYTES;
    if (isStuck && this.#left++ === 0)
      this.#log.warn({ path: this.#path }, 'events are not kept on disk for now: it takes none');
    if (!isStuck && this.#left > 0) {
      this.#log.warn({ path: this.#path, left: this.#left }, 'events are kept on disk again');
      this.#left = 0;
    }
    return isStuck;
  }

  /**
   * Those on disk for which `isWanted(seq, atMs)`, oldest first, at most the first `most`; none where it cannot be read.
   * `isOver` ends it early.
   */
  read(
    isWanted: (seq: number, atMs: number) => boolean,
    most: number,
    isOver: () => boolean = () => false,
  ): Promise<JournalEntry[]> {
    const read = this.#read.then(() => readWanted(this.#path, isWanted, most, isOver));
    this.#read = read;
    return read;
  }

  /** Resolves when what was appended is on its way to the disk. */
  close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    return new Promise(resolve => (stream === null ? resolve() : stream.end(() => resolve())));
  }

  #open(): void {
    let stream: WriteStream;
    try {
      const fd = openSync(this.#path, 'a', OWNER_ONLY);
      this.#bytes = fstatSync(fd).size;
      stream = createWriteStream(this.#path, { fd });
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException);
      return;
    }
    this.#stream = stream;
    // Half a line of a crash must not swallow the next one.
    if (this.#bytes > 0) stream.write('\n');
    stream.on('error', error => {
      if (this.#stream === stream) this.#failed(error);
    });
  }

  #rotate(): void {
    this.#stream?.end();
    this.#stream = null;
    try {
      renameSync(this.#path, old(this.#path));
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException);
      return;
    }
    this.#open();
  }

  #failed(error: NodeJS.ErrnoException): void {
    this.#stream = null;
    this.#log.warn(
      { path: this.#path, error: error.code ?? error.message },
      'events are no longer kept on disk: it cannot be written',
    );
  }
}

const old = (path: string): string => `${path}.1`;

async function readWanted(
  path: string,
  isWanted: (seq: number, atMs: number) => boolean,
  most: number,
  isOver: () => boolean,
): Promise<JournalEntry[]> {
  const wanted: JournalEntry[] = [];
  if (isOver()) return wanted;
  // The current one first: if it becomes the old one in between, it is opened twice, and read once.
  const current = await open(path).catch(() => null);
  const before = await open(old(path)).catch(() => null);
  try {
    for (const file of [before, current]) {
      if (file === null) continue;
      for await (const line of file.readLines({ autoClose: false })) {
        const head = /^\{"seq":(\d+),"atMs":(\d+)/.exec(line);
        const seq = Number(head?.[1]);
        if (head === null || seq <= (wanted.at(-1)?.seq ?? 0)) continue;
        if (isWanted(seq, Number(head[2]))) wanted.push(...parse(line));
        if (wanted.length >= most || isOver()) return wanted;
      }
    }
  } catch {
    // What could be read is told.
  } finally {
    await Promise.allSettled([current?.close(), before?.close()]);
  }
  return wanted;
}

function parse(line: string): JournalEntry[] {
  try {
    return [JSON.parse(line) as JournalEntry];
  } catch {
    return [];
  }
}

/** Of the last whole line; 0 where there is none, or it cannot be read. */
function lastSeqOf(path: string): number {
  let fd: number | null = null;
  try {
    fd = openSync(path, 'r');
    const tail = Buffer.alloc(TAIL_BYTES);
    const bytes = readSync(fd, tail, 0, TAIL_BYTES, Math.max(0, fstatSync(fd).size - TAIL_BYTES));
    const last = tail.toString('utf8', 0, bytes).split('\n').flatMap(parse).at(-1);
    return Number.isSafeInteger(last?.seq) ? last!.seq : 0;
  } catch {
    return 0;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}
