// Load that opens a connection for each request, from a process of its own (fresh-clients.ts), and its report.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { waitFor } from './wait.ts';

export interface FreshReport {
  answered: number;
  /** By their error's code: never connected. */
  refused: Record<string, number>;
  /** Connected, and then no whole answer. */
  lost: Record<string, number>;
  slowestMs: number;
}

/** Answers between two marks of life. */
export const MARK_EVERY = 50;

export interface FreshLoad {
  /** Resolves when answers have come since the call. */
  flows(): Promise<void>;
  stop(): Promise<FreshReport>;
}

export function startFresh(where: number | string, parallel: number): FreshLoad {
  const program = join(import.meta.dirname, 'fresh-clients.ts');
  const child = spawn(process.execPath, [program, String(where), String(parallel)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const closed = once(child, 'close');
  const markCount = (): number => text.split('\n').length;
  return {
    flows: async () => {
      const before = markCount();
      await waitFor(() => markCount() >= before + 2, { timeoutMs: 60_000, what: 'answers under load' });
    },
    stop: async () => {
      child.stdin.end();
      await closed;
      return JSON.parse(text.trim().split('\n').at(-1)!) as FreshReport;
    },
  };
}

export const sumOf = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);
