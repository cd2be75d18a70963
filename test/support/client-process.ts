// Clients in a process of their own, so that they and torc do not wait for each other's event loop. The program prints a line
// now and then while answers come, ends with its standard input, and its last line is its report.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { waitFor } from './wait.ts';

export interface ClientProcess<Report> {
  /** Resolves when answers have come since the call. */
  flows(): Promise<void>;
  /** Lets every request end; the report of all of them. */
  stop(): Promise<Report>;
}

/** `program` is a file of this folder. `within`: the words of another command, that runs it elsewhere. */
export function startClients<Report>(
  program: string,
  settings: readonly string[],
  within: readonly string[] = [],
): ClientProcess<Report> {
  const words = [...within, process.execPath, join(import.meta.dirname, program), ...settings];
  const child = spawn(words[0]!, words.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const closed = once(child, 'close');
  const markCount = (): number => text.split('\n').length;
  return {
    flows: async () => {
      const before = markCount();
      // The next mark may be of answers before the call.
      await waitFor(() => markCount() >= before + 2, { timeoutMs: 60_000, what: 'answers under load' });
    },
    stop: async () => {
      child.stdin.end();
      await closed;
      return JSON.parse(text.trim().split('\n').at(-1)!) as Report;
    },
  };
}
