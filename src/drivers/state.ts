// Where torc keeps what must outlive its own process: one root per user at the platform's place for state (or
// TORC_STATE_DIR), and below it one directory per scope (a listener, a Docker network). Not in the temporary directory:
// several systems clear that by age, others empty it at each boot, and whoever starts torc with another TMPDIR would not
// find what is there. A scope's directory holds a lock, because two torcs that heal the same replicas would end each
// other's. The lock names its owner by pid, start time and boot, so one left by a crash holds nobody up.

import {
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { StartError } from '../core/errors.ts';
import { observe } from './process/identity.ts';

const LOCK = 'lock';
const ATTEMPTS = 3;
/** Not userInfo(): in a container the user may have no name. */
const user = process.getuid?.() ?? 0;
const OTHER = 'set TORC_STATE_DIR to a directory that torc may make or has to itself';

/** The directory below which all state is kept, made if it is not there; `configured` is TORC_STATE_DIR. */
export function stateRoot(configured: string | null): string {
  const path =
    configured ?? platformRoot({ platform: process.platform, user, env: process.env, home: home() });
  if (path === null) throw new StartError(`this user has no home directory to keep state in: ${OTHER}`);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw cannotMake(path, error);
  }
  // A link is followed: whose directory it leads to is what counts.
  checkPrivate(path, statSync(path));
  return resolve(path);
}

export interface Place {
  readonly platform: string;
  readonly user: number;
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
}

/** Where programs keep state: XDG base directories, Apple's for macOS, for root what system services use. */
export function platformRoot({ platform, user, env, home }: Place): string | null {
  if (platform !== 'darwin' && platform !== 'win32') {
    if (user === 0) return '/var/lib/torc';
    if (env.XDG_STATE_HOME?.startsWith('/')) return join(env.XDG_STATE_HOME, 'torc');
  }
  if (!isAbsolute(home)) return null;
  return platform === 'darwin'
    ? join(home, 'Library', 'Application Support', 'torc')
    : join(home, '.local', 'state', 'torc');
}

function home(): string {
  try {
    return homedir();
  } catch {
    return ''; // in a container the user may have no entry, so no home
  }
}

export class StateDirectory {
  readonly path: string;
  readonly #what: string;
  #locked = false;

  /** `what` is said to the person whose second torc must not start: "the replicas of 127.0.0.1:5000". */
  constructor(root: string, scope: string, what: string) {
    this.path = join(root, scope.replace(/[^A-Za-z0-9._-]/g, '_'));
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

/** What somebody else made here under our name, or may write to, is not to be trusted. */
function makePrivate(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotMake(path, error);
  }
  checkPrivate(path, lstatSync(path));
}

const cannotMake = (path: string, error: unknown): StartError =>
  new StartError(
    `cannot make the state directory ${path} (${(error as NodeJS.ErrnoException).code}): ${OTHER}`,
    { cause: error },
  );

function checkPrivate(path: string, found: Stats): void {
  if (!found.isDirectory()) throw new StartError(`${path} is not a directory: remove it, or ${OTHER}`);
  if (process.platform === 'win32') return;
  if (found.uid !== user)
    throw new StartError(
      `${path} belongs to another user (uid ${found.uid}, torc runs as ${user}): chown it, or ${OTHER}`,
    );
  if ((found.mode & 0o022) !== 0)
    throw new StartError(`${path} can be written by other users: chmod 700 it, or ${OTHER}`);
}
