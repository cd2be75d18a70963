// The log. Rooms take the small interface by argument, so the simulation keeps it silent and tests can read it; the real
// one is pino's, written synchronously: a line is on its way before the next statement runs, and a crash loses none.
// A log that cannot be written (a full disk, a closed pipe) is an operating error, told once on stderr: at start it
// stops the start, later it is counted and torc goes on routing, because requests matter more than lines about them.

import { createRequire } from 'node:module';
import pino from 'pino';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const nothing = (): void => {};
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export interface ProcessLog {
  readonly log: Log;
  /** Writes whatever the level says: the banner. */
  always(fields: object, message: string): void;
  /** The first reason why a line could not be written, or null. */
  fault(): string | null;
}

/** Lines that wait for a disk to have room again; beyond this they are dropped. */
const WAITING_BYTES = 1024 * 1024;

/** Logs to stdout: JSON lines, or readable lines where stdout is a terminal. */
export function openLog(level: 'silent' | 'error' | 'warn' | 'info' | 'debug', role: string): ProcessLog {
  const destination = pino.destination({ fd: 1, sync: true, maxLength: WAITING_BYTES });
  let fault: string | null = null;
  destination.on('error', (error: NodeJS.ErrnoException) => {
    if (fault !== null) return;
    fault =
      error.code === 'ENOSPC'
        ? 'ENOSPC, no space left on the disk of the log'
        : (error.code ?? error.message);
    process.stderr.write(`torc: the log cannot be written: ${fault}\n`);
  });
  const stream = process.stdout.isTTY ? prettyStream(destination) : destination;
  const logger = pino(
    {
      level,
      base: { role },
      formatters: { level: label => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    stream,
  );
  const unfiltered = logger.child({}, { level: 'info' });
  const always = (fields: object, message: string): void => {
    if (process.stdout.isTTY) process.stdout.write(asBlock(fields, message));
    else unfiltered.info(fields, message);
  };
  return {
    log: logger,
    always,
    fault: () => fault,
  };
}

/** A message and its fields, one aligned line each: for the one thing that a person must find again. */
function asBlock(fields: object, message: string): string {
  const lines = Object.entries(fields).map(([name, value]) => `    ${name.padEnd(10)}${value}`);
  return `\n  ${message}\n\n${lines.join('\n')}\n\n`;
}

/** pino-pretty is loaded only where a person looks: it costs 30 ms of start. */
function prettyStream(destination: pino.DestinationStream): pino.DestinationStream {
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  return pretty({
    destination,
    sync: true,
    singleLine: true,
    ignore: 'pid,hostname,role',
    translateTime: 'HH:MM:ss.l',
  });
}
