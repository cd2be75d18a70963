// The old torc's side of a succession: starts the new one as its child, with the same command line, hands it the listening
// sockets, then what it asks for, and hears whether it serves. One that does not in time, or says why it cannot, is ended, and
// this torc goes on as if nothing had been. The child is started by what torc was started by (argv[0], looked up in PATH), so
// it is whatever version of torc and Node lies there by now.

import { type ChildProcess, type SendHandle, type StdioOptions, spawn } from 'node:child_process';
import type { Clock } from '../core/clock.ts';
import {
  type Keeper,
  LIFELINE_FD,
  type Past,
  SUCCESSOR,
  type TlsPast,
  type ToPredecessor,
  type ToSuccessor,
} from '../core/succession.ts';

/** A start takes a second; the first heartbeats are waited for up to 15 s (control/supervisor.ts). */
const READY_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 5_000;

export interface HandedSocket {
  readonly place: string;
  readonly isAdmin: boolean;
  readonly handle: SendHandle;
  readonly keeper: Keeper | null;
}

export interface SuccessorOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** What is handed to its descriptor LIFELINE_FD. */
  readonly lifeline: 'pipe' | 'ignore' | number;
  readonly sockets: readonly HandedSocket[];
  readonly tls: TlsPast | null;
  /** Why it is to be ended. */
  readonly calledOff: Promise<string>;
  /** Gives up what only one may have. */
  readonly giveUp: (tell: Successor['tell']) => Promise<Past>;
}

/** It serves, and waits to be told that it is torc now. */
export interface Successor {
  readonly process: ChildProcess;
  readonly version: string;
  readonly node: string;
  /** Resolves when whoever started torc knows of it, or it is gone. */
  readonly known: Promise<void>;
  tell(message: ToSuccessor): void;
  /** Nothing more is to be said. */
  leave(): void;
}

/** Resolves with a successor that serves, or with why there is none, which is ended then. */
export async function startSuccessor(options: SuccessorOptions): Promise<Successor | string> {
  const { env, clock, lifeline, sockets, tls, calledOff, giveUp } = options;
  const stdio: StdioOptions = ['ignore', 1, 2, 'ipc'];
  stdio[LIFELINE_FD] = lifeline;
  const child = spawn(process.argv0, [...process.execArgv, ...process.argv.slice(1)], {
    env: { ...env, [SUCCESSOR]: '1' },
    serialization: 'advanced',
    stdio,
  });
  const tell = (message: ToSuccessor, handle?: SendHandle): void => {
    if (child.connected) child.send(message, handle);
  };
  // Else it would go on alone.
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const gone = new Promise<string>(resolve => {
    child.once('error', error => resolve(`it cannot be started: ${error.message}`));
    child.once('exit', (code, signal) => resolve(`it ended: ${signal ?? `exit code ${code}`}`));
  });
  child.on('error', () => {}); // of its channel, told by its end
  const known = Promise.withResolvers<void>();
  child.once('disconnect', () => known.resolve());
  const served = new Promise<Successor | string>(resolve => {
    child.on('message', raw => {
      const message = raw as ToPredecessor;
      if (message.type === 'failed') resolve(message.faults.join('; '));
      else if (message.type === 'known') known.resolve();
      else if (message.type === 'ready')
        resolve({
          process: child,
          ...message,
          known: known.promise,
          tell,
          leave: () => child.connected && child.disconnect(),
        });
      else
        giveUp(tell).then(
          past => tell({ type: 'given', past }),
          error => resolve(`what it needs cannot be given up: ${error.message}`),
        );
    });
  });
  for (const { handle, ...socket } of sockets) tell({ type: 'socket', ...socket }, handle);
  tell({ type: 'settings may be read', tls });
  const late = Promise.withResolvers<string>();
  const timer = clock.after(READY_TIMEOUT_MS, () =>
    late.resolve(`it is not ready after ${READY_TIMEOUT_MS / 1000} s`),
  );
  const outcome = await Promise.race([served, gone, late.promise, calledOff]);
  timer.cancel();
  if (typeof outcome === 'string') {
    child.kill('SIGTERM');
    const tooLong = clock.after(END_TIMEOUT_MS, kill);
    await gone;
    tooLong.cancel();
  }
  process.off('exit', kill);
  return outcome;
}
