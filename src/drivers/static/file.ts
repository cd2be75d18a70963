// A file of upstreams, one a line, `#` begins a comment. Read again when its directory says that something happened there
// (editors and ConfigMaps put another file in its place, which a watch on the file itself does not see), and every second
// anyway, because not every file system tells (NFS, mounts of virtual machines). What is read while somebody still writes
// is not believed: it must be the same twice. A file that is gone, empty or wrong changes nothing, and is told once.

import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { type GivenUpstream, listFaults, parseUpstream, UPSTREAM_FORMS } from '../../config/upstreams.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { StartError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { authoritiesFault } from '../../core/trust.ts';

const POLL_MS = 1_000;
/** Between the two readings that must be alike. */
const SETTLE_MS = 50;
const LONGEST_BYTES = 1024 * 1024;
/** More of a file's faults are counted only. */
const MOST_FAULTS = 20;

/** Upstreams, or every fault with the number of its line. */
export function parseUpstreams(text: string): { upstreams: GivenUpstream[] } | { faults: string[] } {
  const faults: string[] = [];
  const upstreams: GivenUpstream[] = [];
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    const entry = line
      .replace(/^\uFEFF/, '')
      .replace(/(?:^|\s)#.*$/, '')
      .trim();
    if (entry === '') continue;
    const parsed = parseUpstream(entry);
    if (typeof parsed === 'string') faults.push(`line ${index + 1}: "${entry.slice(0, 80)}" ${parsed}`);
    else upstreams.push(parsed);
  }
  if (faults.length > 0) faults.push(`allowed: ${UPSTREAM_FORMS}; # begins a comment`);
  else faults.push(...listFaults(upstreams), ...trustFaults(upstreams));
  if (upstreams.length === 0 && faults.length === 0) faults.push('it names no upstreams');
  return faults.length > 0 ? { faults: shortened(faults) } : { upstreams };
}

/** Files of authorities that are not there, or have none. */
export function trustFaults(upstreams: readonly GivenUpstream[]): string[] {
  const files = new Set(upstreams.flatMap(({ tls }) => tls?.ca ?? []));
  return [...files].flatMap(path => {
    const fault = authoritiesFault(path);
    return fault === null ? [] : `;ca=${path}: ${fault}; allowed: a PEM file of the authorities to believe`;
  });
}

const shortened = (faults: readonly string[]): string[] =>
  faults.length <= MOST_FAULTS
    ? [...faults]
    : [...faults.slice(0, MOST_FAULTS), `and ${faults.length - MOST_FAULTS} more`];

export interface UpstreamsFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly onChange: (upstreams: readonly GivenUpstream[]) => void;
}

export class UpstreamsFile {
  readonly #options: UpstreamsFileOptions;
  /** What was taken or refused last. */
  #text: string | null = null;
  /** Read once, and to be read again before it is believed. */
  #pending: string | null = null;
  #timer: Timer | null = null;
  #watcher: FSWatcher | null = null;
  #isFaulty = false;
  #isClosed = false;

  constructor(options: UpstreamsFileOptions) {
    this.#options = options;
  }

  /** The first list. Throws StartError with every fault. */
  open(): readonly GivenUpstream[] {
    return this.follow(readUpstreams(this.#options.path));
  }

  /** From now on, from what was read of it just now. */
  follow({ text, upstreams }: ReadUpstreams): readonly GivenUpstream[] {
    this.#text = text;
    this.#pending = text;
    this.#isFaulty = false;
    if (this.#watcher === null) this.#watch();
    this.#lookIn(POLL_MS);
    return upstreams;
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#watcher?.close();
  }

  /** A directory that cannot be watched is looked at all the same. */
  #watch(): void {
    try {
      this.#watcher = watch(dirname(this.#options.path), { persistent: false }, () =>
        this.#lookIn(SETTLE_MS),
      );
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      this.#watcher = null;
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #lookIn(ms: number): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(ms, () => this.#look());
  }

  #look(): void {
    const { path, log, onChange } = this.#options;
    const text = read(path);
    const seen = typeof text === 'string' ? text : `\0${text.fault}`;
    const isSettled = seen === this.#text || seen === this.#pending;
    this.#pending = seen;
    this.#lookIn(isSettled ? POLL_MS : SETTLE_MS);
    if (!isSettled || seen === this.#text) return;
    this.#text = seen;
    const parsed = typeof text === 'string' ? parseUpstreams(text) : { faults: [text.fault] };
    if ('faults' in parsed) {
      this.#isFaulty = true;
      log.warn(
        { path, faults: parsed.faults },
        `${path} is not followed: ${parsed.faults.join('; ')}; the list of before is kept`,
      );
      return;
    }
    log.info(
      { path, upstreams: parsed.upstreams.length },
      `${path} ${this.#isFaulty ? 'is well again' : 'has changed'}: ${parsed.upstreams.length} upstreams`,
    );
    this.#isFaulty = false;
    onChange(parsed.upstreams);
  }
}

export interface ReadUpstreams {
  readonly text: string;
  readonly upstreams: readonly GivenUpstream[];
}

/** Throws StartError with every fault. */
export function readUpstreams(path: string): ReadUpstreams {
  const text = read(path);
  const parsed = typeof text === 'string' ? parseUpstreams(text) : { faults: [text.fault] };
  if ('upstreams' in parsed) return { text: text as string, upstreams: parsed.upstreams };
  throw new StartError(parsed.faults.map(fault => `TORC_UPSTREAMS_FILE: ${path}: ${fault}`).join('\n'), {
    exitCode: 2,
  });
}

function read(path: string): string | { fault: string } {
  try {
    const { size } = statSync(path);
    if (size > LONGEST_BYTES) return { fault: `it has ${size} bytes, and ${LONGEST_BYTES} are the most` };
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return {
      fault: code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a directory' : message,
    };
  }
}
