// Where a driver keeps what must outlive torc's own process, so that after a SIGKILL the next torc finds its replicas:
// one directory per user and scope (a listener, a Docker network) under the system's temporary directory, which ends
// with the boot as the processes do. It holds a lock, because two torcs that heal the same replicas would end each
// other's. The lock names its owner by pid and start time, so a lock left by a crash holds nobody up.

import { linkSync, lstatSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartError } from '../core/errors.ts';
import { observe } from './process/identity.ts';

const LOCK = 'lock';
const ATTEMPTS = 3;
/** Not userInfo(): in a container the user may have no name. */
const user = process.getuid?.() ?? 0;

export class StateDirectory {
  readonly path: string;
  readonly #what: string;
  #locked = false;

  /** `what` is said to the person whose second torc must not start: "the replicas of 127.0.0.1:5000". */
  constructor(scope: string, what: string) {
    this.path = join(tmpdir(), `torc-${user}-${scope.replace(/[^A-Za-z0-9._-]/g, '_')}`);
    this.#what = what;
  }

  /** Makes the directory and takes the lock; StartError when another torc lives there, or somebody else made it. */
  async open(): Promise<void> {
    makePrivate(this.path);
    const own = {
      pid: process.pid,
      startTime: (await observe([process.pid])).get(process.pid)?.startTime ?? '',
    };
    const draft = join(this.path, `${LOCK}.${process.pid}`);
    writeFileSync(draft, JSON.stringify(own));
    try {
      for (let attempt = 1; !this.#takeLock(draft); attempt++) {
        const owner = this.#owner();
        const living = owner === null ? undefined : (await observe([owner.pid])).get(owner.pid);
        if ((living !== undefined && living.startTime === owner?.startTime) || attempt === ATTEMPTS) {
          throw new StartError(`another torc (pid ${owner?.pid ?? '?'}) manages ${this.#what} already`);
        }
        rmSync(join(this.path, LOCK), { force: true });
      }
    } finally {
      rmSync(draft, { force: true });
    }
  }

  /** Gives the lock back; the directory goes when nothing is left in it. */
  close(): void {
    if (!this.#locked) return;
    this.#locked = false;
    rmSync(join(this.path, LOCK), { force: true });
    try {
      rmdirSync(this.path);
    } catch {
      // Replicas that were kept have their files in it.
    }
  }

  /** A link appears whole and once: whoever loses the race sees the winner's name in it, never half a file. */
  #takeLock(draft: string): boolean {
    try {
      linkSync(draft, join(this.path, LOCK));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
    this.#locked = true;
    return true;
  }

  #owner(): { pid: number; startTime: string } | null {
    try {
      const { pid, startTime } = JSON.parse(readFileSync(join(this.path, LOCK), 'utf8')) as Record<
        string,
        unknown
      >;
      return Number.isSafeInteger(pid) && typeof startTime === 'string'
        ? { pid: pid as number, startTime }
        : null;
    } catch {
      return null;
    }
  }
}

/** The temporary directory is everybody's: what somebody else made there under our name is not to be trusted. */
function makePrivate(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
    return;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST')
      throw new StartError(`cannot make the state directory ${path} (${code})`, { cause: error });
  }
  const found = lstatSync(path);
  const foreign = process.platform !== 'win32' && (found.uid !== user || (found.mode & 0o022) !== 0);
  if (!found.isDirectory() || foreign) {
    throw new StartError(
      `${path} is not a directory that only this user can write: remove it, or set TMPDIR`,
    );
  }
}
