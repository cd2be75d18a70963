// Which process a pid names now. A pid alone is not enough to adopt or kill by: the number is given out again. Pid and
// start time together name one run for ever; the boot's id is added because start times count from the boot.
// Linux tells through /proc without starting anything; elsewhere `ps` is asked, once for all pids.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';

export interface Observed {
  readonly startTime: string;
  /** Stopped by SIGSTOP: it holds its port and answers nothing. */
  readonly paused: boolean;
}

const PS_TIMEOUT_MS = 2_000;
const BOOT_ID = '/proc/sys/kernel/random/boot_id';
const boot = existsSync(BOOT_ID) ? readFileSync(BOOT_ID, 'utf8').slice(0, 8) : '';

/** The living ones of `pids`; a zombie has ended and is not among them. */
export async function observe(pids: readonly number[]): Promise<Map<number, Observed>> {
  if (boot === '') return observeWithPs(pids);
  const found = new Map<number, Observed>();
  for (const pid of pids) {
    const observed = parseStat(readStat(pid));
    if (observed !== null) found.set(pid, observed);
  }
  return found;
}

function readStat(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}

/** proc(5): `pid (name) state ppid ... starttime ...`; the name may hold anything, also brackets and spaces. */
function parseStat(stat: string): Observed | null {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0] ?? '';
  const startTicks = fields[19]; // field 22 of the whole line
  if (startTicks === undefined || state === 'Z' || state === 'X') return null;
  return { startTime: `${boot}.${startTicks}`, paused: state === 'T' || state === 't' };
}

/** Without /proc (macOS, BSD): one `ps` for all. It exits with 1 when none of them lives. */
export async function observeWithPs(pids: readonly number[]): Promise<Map<number, Observed>> {
  const found = new Map<number, Observed>();
  if (pids.length === 0) return found;
  const args = ['-o', 'pid=,stat=,lstart=', '-p', pids.join(',')];
  const options = { env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' }, timeout: PS_TIMEOUT_MS };
  const output = await promisify(execFile)('ps', args, options).then(
    ({ stdout }) => stdout,
    (error: { code?: unknown; stdout?: string }) => {
      if (error.code === 1) return error.stdout ?? '';
      throw new Error('cannot tell which processes live: ps does not answer', { cause: error });
    },
  );
  for (const line of output.split('\n')) {
    const match = /^\s*(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (match === null || match[2]!.startsWith('Z')) continue;
    const startTime = match[3]!.replace(/\s+/g, '-');
    found.set(Number(match[1]), { startTime, paused: match[2]!.startsWith('T') });
  }
  return found;
}
