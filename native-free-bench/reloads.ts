// What a reload and a replacement cost the clients: 64 connections that are kept and send 100,000 requests, and beside them a new
// connection for each request, while a balancer is reloaded 20 times, then replaced 20 times. The same load for each
// balancer, one after the other. What fails is counted as the client sees it, refused connects apart; and the longest wait.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type BenchOptions, Origin } from './harness/rounds.ts';
import { type BalancerKind, reloadable } from './reloads/balancers.ts';
import type { ReloadReport } from './reloads/load.ts';

const FULL = { times: 20, least: 100_000 };
const SHORT = { times: 3, least: 5_000 };
/** Before the first and behind each. */
const REST_MS = 1_000;

export async function reloads(options: BenchOptions): Promise<object[]> {
  const { only, full, progress } = options;
  const replicas = await Origin.start();
  const rows: object[] = [];
  try {
    for (const kind of reloadable) {
      if (only.length > 0 && !only.includes(kind.name)) continue;
      if (!kind.canRun()) progress(`${kind.name} is not installed`);
      else rows.push(...(await rowsOf(kind, replicas.ports, full ? FULL : SHORT, progress)));
    }
  } finally {
    replicas.stop();
  }
  return rows;
}

async function rowsOf(
  kind: BalancerKind,
  ports: readonly number[],
  { times, least }: typeof FULL,
  progress: BenchOptions['progress'],
): Promise<object[]> {
  const rows: object[] = [];
  const balancer = await kind.start(ports);
  try {
    for (const [change, carryOut] of Object.entries(balancer.changes)) {
      const load = startLoad(balancer.url, least);
      const changesMs: number[] = [];
      for (let time = 0; time < times; time++) {
        await new Promise(resolve => setTimeout(resolve, REST_MS));
        const beganMs = performance.now();
        await carryOut();
        changesMs.push(performance.now() - beganMs);
      }
      await new Promise(resolve => setTimeout(resolve, REST_MS));
      const row = rowOf(kind.name, change, changesMs, await load.stop());
      progress(JSON.stringify(row));
      rows.push(row);
    }
  } finally {
    balancer.stop();
  }
  return rows;
}

function rowOf(balancer: string, change: string, changesMs: readonly number[], report: ReloadReport): object {
  const { ECONNREFUSED: refused = 0, ...others } = report.newFailed;
  return {
    balancer,
    change,
    times: changesMs.length,
    requests: report.sent,
    failed: report.failed,
    'slowest ms': Math.round(report.slowestMs),
    'new connections': report.newSent,
    refused,
    'failed otherwise': Object.values(others).reduce((sum, count) => sum + count, 0),
    'their slowest ms': Math.round(report.newSlowestMs),
    'median change ms': Math.round([...changesMs].sort((a, b) => a - b)[Math.floor(changesMs.length / 2)]!),
    'longest change ms': Math.round(Math.max(...changesMs)),
  };
}

function startLoad(url: string, least: number): { stop(): Promise<ReloadReport> } {
  const program = join(import.meta.dirname, 'reloads', 'load.ts');
  const child = spawn(process.execPath, [program, url, String(least)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const closed = once(child, 'close');
  return {
    stop: async () => {
      child.stdin.end();
      await closed;
      return JSON.parse(text) as ReloadReport;
    },
  };
}
