// A service without an image, as a child process: its command line, its environment, where and as whom it runs, how it is
// asked to end. The command line is one text for the shell, whatever form it was written in: so a roll-out can name another
// one, and what is remembered on disk is what runs. Words that were written apart stay apart, and no shell stays beside them.

import { constants } from 'node:os';
import { expandText, type SlotWords } from './expand.ts';
import { durationMs } from './scalars.ts';
import type { ComposeService } from './service.ts';

export interface ProcessSurroundings {
  readonly env: Readonly<Record<string, string>>;
  /** Null: torc's own. */
  readonly folder: string | null;
  readonly stopSignal: NodeJS.Signals;
  /** Null: torc's default. */
  readonly stopGraceMs: number | null;
  /** As it was written: name or number, with or without a group. */
  readonly user: string | null;
}

/** `sh -c LINE` is LINE; words are quoted, and replace the shell that reads them. */
export function commandLineOf({ entrypoint, command }: ComposeService): string {
  const words = [...(entrypoint ?? []), ...(command ?? [])];
  if (words.length === 3 && words[0] === '/bin/sh' && words[1] === '-c') return words[2]!;
  return `exec ${words.map(quoted).join(' ')}`;
}

const quoted = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** What is the service's own of a process; PORT is always torc's choice. */
export function surroundingsOf(service: ComposeService, words: SlotWords): ProcessSurroundings {
  const said = Object.entries(service.environment ?? {}).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  );
  return {
    env: Object.fromEntries(said.map(([name, value]) => [name, expandText(value, words)])),
    folder: service.working_dir === undefined ? null : expandText(service.working_dir, words),
    stopSignal: signalOf(service.stop_signal ?? 'SIGTERM') ?? 'SIGTERM',
    stopGraceMs: service.stop_grace_period === undefined ? null : durationMs(service.stop_grace_period),
    user: service.user ?? null,
  };
}

/** "SIGINT", "INT" or "2", as Docker takes them. */
export function signalOf(written: string): NodeJS.Signals | null {
  const names = Object.keys(constants.signals) as NodeJS.Signals[];
  const name = /^SIG/i.test(written) ? written.toUpperCase() : `SIG${written.toUpperCase()}`;
  return names.find(known => known === name || String(constants.signals[known]) === written) ?? null;
}
