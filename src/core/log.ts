// The log. Rooms take the small interface by argument, so the simulation keeps it silent and tests can read it; the real
// one is pino's, written at once and never waited for (log-writer.ts): a line is on its way before the next statement
// runs, a crash loses none that found room, and a log that nobody reads costs lines, never requests.
// A log that cannot be written (a full disk, a closed pipe) is an operating error, told once on stderr: at start it
// stops the start, later torc goes on routing, because requests matter more than lines about them.

import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import pino from 'pino';
import { LogWriter } from './log-writer.ts';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const nothing = (): void => {};
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug';

export interface ProcessLog {
  readonly log: Log;
  /** Writes whatever the level says: the banner. */
  always(fields: object, message: string, level?: 'info' | 'warn'): void;
  /** Writes an access log line, whatever the level says. */
  access(fields: object, message: string): void;
  /** From now on. */
  setLevel(level: LogLevel): void;
  /** Lines that were dropped since the last call, because nobody read the log. */
  takeDropped(): number;
  /** The first reason why a line could not be written, or null. */
  fault(): string | null;
}

/** Where a worker finds the primary's stdout (cluster/workers.ts). */
export const WORKER_LOG_FD = 4;

/** Logs to `fd`: JSON lines, or readable lines where it is a terminal. */
export function openLog(level: LogLevel, role: string, fd: number): ProcessLog {
  let fault: string | null = null;
  const writer = new LogWriter(fd, {
    onFault(error) {
      if (fault !== null) return;
      fault =
        error.code === 'ENOSPC'
          ? 'ENOSPC, no space left on the disk of the log'
          : (error.code ?? error.message);
      process.stderr.write(`torc: the log cannot be written: ${fault}\n`);
    },
    onGap: dropped => unfiltered.warn({ dropped }, `${dropped} log lines were dropped: nobody read them`),
  });
  process.on('exit', () => writer.end());
  const isTerminal = isatty(fd);
  const logger = pino(
    {
      level,
      base: { role },
      formatters: { level: label => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    isTerminal ? readable(writer) : writer,
  );
  const unfiltered = logger.child({}, { level: 'info' });
  return {
    log: logger,
    always(fields, message, bannerLevel = 'info') {
      if (isTerminal) writer.write(asBlock(fields, message));
      else unfiltered[bannerLevel](fields, message);
    },
    setLevel(next) {
      logger.level = next;
    },
    access: (fields, message) => unfiltered.info(fields, message),
    takeDropped: () => writer.takeDropped(),
    fault: () => fault,
  };
}

/** A message and its fields, one aligned line each: for the one thing that a person must find again. */
function asBlock(fields: object, message: string): string {
  const lines = Object.entries(fields).map(([name, value]) => `    ${name.padEnd(10)}${value}`);
  return `\n  ${message}\n\n${lines.join('\n')}\n\n`;
}

/** pino-pretty is loaded only where a person looks: it costs 30 ms of start. */
function readable(writer: LogWriter): pino.DestinationStream {
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  const pretty = prettyFactory({
    singleLine: true,
    ignore: 'pid,hostname,role',
    translateTime: 'HH:MM:ss.l',
  });
  return { write: line => writer.write(String(pretty(line))) };
}
