// Load from a process of its own (clients.ts), and what its report says about lost requests. Two kinds are told apart: a
// POST that had begun when its replica died may have done its work there, so torc must not send it again (RFC 9110
// section 9.2.2) and says 502; every other request may be repeated, and losing one of those is a fault of torc's.

import { type ClientProcess, startClients } from './client-process.ts';

/** Width of a point of the timeline. */
export const BUCKET_MS = 100;

export interface Loss {
  readonly method: 'GET' | 'POST';
  /** "502 the replica closed the connection before it answered", "ECONNRESET". */
  readonly cause: string;
  readonly count: number;
}

export interface LoadReport {
  /** Since 1970. */
  readonly startedAtMs: number;
  readonly sent: { readonly GET: number; readonly POST: number };
  readonly losses: readonly Loss[];
  readonly slowestMs: number;
  /** Per BUCKET_MS: answers of 200 by slot, requests lost, and POSTs that had begun where they could not end. */
  readonly timeline: { readonly slots: Record<string, number>; lost: number; begun: number }[];
}

/** Answers between two marks of life. */
export const MARK_EVERY = 200;

export type Load = ClientProcess<LoadReport>;

export const startLoad = (url: string, connections: number, protocol: '' | 'h2' = ''): Load =>
  startClients('clients.ts', [url, String(connections), protocol]);

/** What torc answers to a POST whose sending had begun when its replica was lost. */
const BEGUN = '502 the replica closed the connection before it answered';

export const isBegun = (loss: Pick<Loss, 'method' | 'cause'>): boolean =>
  loss.method === 'POST' && loss.cause === BEGUN;
const sum = (losses: readonly Loss[]): number => losses.reduce((total, loss) => total + loss.count, 0);

/** POSTs that torc could not repeat without risking to do them twice. */
export const begunPosts = (report: LoadReport): number => sum(report.losses.filter(isBegun));

/** All others: none of them may ever be lost. */
export const lostRequests = (report: LoadReport): readonly Loss[] =>
  report.losses.filter(loss => !isBegun(loss));

export const lostCount = (report: LoadReport): number => sum(lostRequests(report));
