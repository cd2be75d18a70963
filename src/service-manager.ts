// What torc tells the service manager that started it (systemd's Type=notify, sd_notify(3)): ready, reloading, stopping, and
// that it is alive. Node has no datagram sockets in the file system, which the protocol wants, and no living npm package
// brings one without compiling; so systemd's own program sends each message: some milliseconds, at a start, at an end, and
// twice in a watchdog's time. One at a time, because two processes would race. Elsewhere nothing of this happens.

import { execFile } from 'node:child_process';
import type { Clock, Timer } from './core/clock.ts';
import type { Log } from './core/log.ts';

const PROGRAM = 'systemd-notify';
const SEND_TIMEOUT_MS = 10_000;

export interface ServiceManagerOptions {
  /** Its variables are taken out, so that no worker and no replica can speak in torc's name. */
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
  readonly clock: Clock;
  readonly log: Log;
}

export class ServiceManager {
  /** What was taken out: a successor gets it again. Its watchdog is another process's. */
  readonly taken: NodeJS.ProcessEnv;
  readonly #pid: number;
  readonly #socket: string | null;
  /** How often it must hear of us; null: never. */
  readonly #watchdogMs: number | null;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #last: Promise<void> = Promise.resolve();
  #beat: Timer | null = null;
  #failed = false;

  constructor({ env, pid, clock, log }: ServiceManagerOptions) {
    this.#pid = pid;
    this.taken = { NOTIFY_SOCKET: env.NOTIFY_SOCKET, WATCHDOG_USEC: env.WATCHDOG_USEC };
    const isMeant = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === String(pid);
    const watchdogUs = Number(env.WATCHDOG_USEC ?? 0);
    this.#socket = env.NOTIFY_SOCKET || null;
    this.#watchdogMs = isMeant && watchdogUs > 0 ? watchdogUs / 1000 : null;
    this.#path = env.PATH ?? '';
    this.#clock = clock;
    this.#log = log;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  }

  get isThere(): boolean {
    return this.#socket !== null;
  }

  /** Whoever was torc before, this process is now; resolves when that is known. */
  takesOver(): Promise<void> {
    return this.#send(`MAINPID=${this.#pid}`);
  }

  /** Another process is torc now, and speaks for it. */
  handedOn(): Promise<void> {
    this.#beat?.cancel();
    return this.#last;
  }

  /** torc listens; or goes on, after a reload. From now on the watchdog hears of us, and of `status`, in time. */
  ready(status: () => string): void {
    this.#send('READY=1', `STATUS=${status()}`);
    if (this.#socket === null || this.#watchdogMs === null) return;
    this.#beat?.cancel();
    this.#scheduleBeat(this.#watchdogMs / 2, status);
  }

  /** Until the next `ready`. The time is what Type=notify-reload asks for. */
  reloading(): void {
    this.#send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  /** Resolves when it has been told, so that torc's end does not overtake it. */
  stopping(): Promise<void> {
    this.#beat?.cancel();
    return this.#send('STOPPING=1', 'STATUS=stopping: requests in flight are finished');
  }

  #scheduleBeat(everyMs: number, status: () => string): void {
    this.#beat = this.#clock.after(everyMs, () => {
      void this.#send('WATCHDOG=1', `STATUS=${status()}`);
      this.#scheduleBeat(everyMs, status);
    });
  }

  #send(...words: string[]): Promise<void> {
    const socket = this.#socket;
    if (socket === null) return Promise.resolve();
    const env = { PATH: this.#path, NOTIFY_SOCKET: socket };
    this.#last = this.#last.then(
      () =>
        new Promise(resolve => {
          execFile(PROGRAM, words, { env, timeout: SEND_TIMEOUT_MS }, error => {
            if (error !== null) this.#tell(error);
            resolve();
          });
        }),
    );
    return this.#last;
  }

  #tell(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#log.warn(
      { error: error.message },
      `the service manager cannot be told how torc is: ${PROGRAM} is needed for Type=notify, and NotifyAccess=all`,
    );
  }
}
