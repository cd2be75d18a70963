// What happened last night: control events on disk, one JSON line each, so that they outlive torc and the last 256 in
// memory. Appended through a stream, because a disk that hangs must not hang the supervisor; two files of a bounded size,
// the full one becomes the old one. A disk that fails is told once and costs the events on it, never anything that
// serves. A crash may leave half a line: what does not parse is passed over.

import {
  closeSync,
  createWriteStream,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  type WriteStream,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Log } from '../core/log.ts';
import type { JournalEntry } from './journal.ts';

const MOST_BYTES = 4 * 1024 * 1024;
/** Enough for the last whole line. */
const TAIL_BYTES = 64 * 1024;
const OWNER_ONLY = 0o600;

export class EventFile {
  /** Of the last event on disk when it was opened; numbers go on from there. */
  readonly lastSeq: number;
  readonly #path: string;
  readonly #log: Log;
  readonly #mostBytes: number;
  #stream: WriteStream | null = null;
  #bytes = 0;

  constructor(path: string, log: Log, mostBytes = MOST_BYTES) {
    this.#path = path;
    this.#log = log;
    this.#mostBytes = mostBytes;
    this.lastSeq = lastSeqOf(path) || lastSeqOf(old(path));
    this.#open();
  }

  append(entry: JournalEntry): void {
    if (this.#stream === null) return;
    const line = `${JSON.stringify(entry)}\n`;
    if (this.#bytes > 0 && this.#bytes + line.length > this.#mostBytes) this.#rotate();
    this.#bytes += Buffer.byteLength(line);
    this.#stream?.write(line);
  }

  /** Those on disk for which `isWanted(seq, atMs)`, oldest first, at most the last `most`; none where it cannot be read. */
  async read(isWanted: (seq: number, atMs: number) => boolean, most: number): Promise<JournalEntry[]> {
    const texts = await Promise.all(
      [old(this.#path), this.#path].map(path => readFile(path, 'utf8').catch(() => '')),
    );
    const wanted: string[] = [];
    for (const line of texts.join('\n').split('\n')) {
      const head = /^\{"seq":(\d+),"atMs":(\d+)/.exec(line);
      if (head !== null && isWanted(Number(head[1]), Number(head[2]))) wanted.push(line);
    }
    return wanted.slice(-most).flatMap(parse);
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
