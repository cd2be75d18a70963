// What is left of a torc that was replaced where nobody can be told that another process is torc now: a terminal, a container
// whose process 1 it is, a supervisor that watches its pid. It stays, passes signals on to whoever is torc by now, and ends when
// that one does, with its exit code. They are tied by a pipe that each torc hands to its successor: a line says who has it, and
// its end says that nobody has it any more. systemd can be told (MAINPID), so there a torc that was replaced ends.

import type { Readable } from 'node:stream';
import { isatty } from 'node:tty';

const PASSED_ON: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'];

/** From now on signals are for `pid`. The result changes whom they are for. */
export function passSignalsOn(pid: number): (pid: number) => void {
  let target = pid;
  const hasTerminal = isatty(0);
  for (const signal of PASSED_ON) {
    const before = process.listeners(signal);
    process.on(signal, () => {
      try {
        // Where there was a terminal, SIGHUP says that it is gone; the successor has none and would reload.
        process.kill(target, signal === 'SIGHUP' && hasTerminal ? 'SIGTERM' : signal);
      } catch {
        // It has just ended.
      }
    });
    // Behind the new one: without any, what the kernel has delivered and Node not told yet is lost.
    for (const listener of before) process.off(signal, listener);
  }
  return next => {
    target = next;
  };
}

/** Resolves with the exit code of the last torc of the line. */
export function watchLine(lifeline: Readable, onPid: (pid: number) => void): Promise<number> {
  let rest = '';
  let code = 1;
  let latest = '';
  return new Promise(resolve => {
    lifeline.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const [word, number, by] = line.split(' ');
        if (word === 'pid') {
          latest = number!;
          onPid(Number(number));
        }
        // One that hands on ends too.
        if (word === 'code' && by === latest) code = Number(number);
      }
    });
    lifeline.on('close', () => resolve(code));
  });
}
