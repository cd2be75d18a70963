// The processes of one torc, and what they have: found in /proc by the place of their state, which is the run's alone, so
// that a torc that was replaced is still found, whoever is its parent.

import { readdirSync, readFileSync } from 'node:fs';
import { WORKER_BIRTH } from '../../src/core/messages.ts';

export interface Process {
  readonly pid: number;
  readonly isWorker: boolean;
  readonly rssBytes: number;
  readonly descriptors: number;
}

export interface TorcProcesses {
  /** Several while one is being replaced. */
  readonly primaries: readonly Process[];
  readonly workers: readonly Process[];
}

const PAGE_BYTES = 4096;

export function processesOf(stateDirectory: string): TorcProcesses {
  const all: Process[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const one = read(name, stateDirectory);
    if (one !== null) all.push(one);
  }
  return {
    primaries: all.filter(({ isWorker }) => !isWorker),
    workers: all.filter(({ isWorker }) => isWorker),
  };
}

function read(pid: string, stateDirectory: string): Process | null {
  try {
    const folder = `/proc/${pid}`;
    if (!readFileSync(`${folder}/cmdline`, 'utf8').includes('/src/main.ts')) return null;
    const environment = `\0${readFileSync(`${folder}/environ`, 'utf8')}`;
    if (!environment.includes(`\0TORC_STATE_DIR=${stateDirectory}\0`)) return null;
    // Behind the name, which may have spaces: the state.
    const fields = readFileSync(`${folder}/stat`, 'utf8').split(') ')[1]!.split(' ');
    if (fields[0] === 'Z') return null;
    return {
      pid: Number(pid),
      // A new torc is its predecessor's child, and workers may outlive their primary: parents tell nothing.
      isWorker: environment.includes(`\0${WORKER_BIRTH}=`),
      rssBytes: Number(readFileSync(`${folder}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES,
      descriptors: readdirSync(`${folder}/fd`).length,
    };
  } catch {
    return null; // gone meanwhile
  }
}
