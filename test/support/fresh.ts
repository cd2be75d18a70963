// Load that opens a connection for each request, from a process of its own (fresh-clients.ts), and its report.

import { type ClientProcess, startClients } from './client-process.ts';

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

export type FreshLoad = ClientProcess<FreshReport>;

export const startFresh = (
  where: number | string,
  parallel: number,
  within: readonly string[] = [],
): FreshLoad => startClients('fresh-clients.ts', [String(where), String(parallel)], within);

export const sumOf = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);
