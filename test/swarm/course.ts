// The course of one fault, with the times at which things happened and not those at which somebody asked: torc's own events,
// and what Swarm notes of its tasks (all machines have one clock). So the time until everything answers again falls into parts:
// what torc needs to believe it, to write it and to prove what is new, and what Swarm needs to make that.

import { request } from 'node:http';
import { text } from 'node:stream/consumers';

/** Milliseconds after the fault; null: it did not happen. */
export interface Course {
  /** The first slot was out of routing. */
  readonly out: number | null;
  /** The machine was taken for lost. */
  readonly lost: number | null;
  /** A manager had taken the write that moves its tasks. */
  readonly written: number | null;
  /** Swarm had made the last of the new tasks; and it ran. */
  readonly made: number | null;
  readonly runs: number | null;
  /** torc had them in its list. */
  readonly listed: number | null;
  /** All slots were in routing again. */
  readonly answer: number | null;
}

export interface Entry {
  readonly atMs: number;
  readonly slot?: string;
  readonly replicaId?: string;
  readonly from?: string;
  readonly to?: string;
  readonly topic?: string;
  readonly text?: string;
}

export interface Listener {
  readonly entries: readonly Entry[];
  /** Who fills each slot and answers: slot -> replica. */
  readonly ready: ReadonlyMap<string, string>;
  close(): void;
}

/** "web.3.abcdefabcdef", or the whole id of a task: its beginning. */
export const idOf = (task: string): string => task.split('.').at(-1)!.slice(0, 12);

/** Also of a successor that is proven beside the one it replaces. */
export const nameOf = (slot: string): string => slot.replace(/^next-/, '');

/** Follows /admin/events on a unix socket; `ready` is told as it is then. */
export async function listen(socketPath: string, ready: Map<string, string>): Promise<Listener> {
  const entries: Entry[] = [];
  const hear = (entry: Entry): void => {
    entries.push(entry);
    const { slot = '', replicaId = '', to } = entry;
    const [name, id] = [nameOf(slot), idOf(replicaId)];
    if (to === 'ready') ready.set(name, id);
    else if (to !== undefined && ready.get(name) === id) ready.delete(name);
  };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const path = `/admin/events?since=${new Date().toISOString()}`;
  const asked = request({ socketPath, path }, answer => {
    let text = '';
    resolve();
    answer.setEncoding('utf8');
    answer.on('error', () => {});
    answer.on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop()!;
      for (const line of lines) if (line.startsWith('data: {')) hear(JSON.parse(line.slice(6)) as Entry);
    });
  });
  asked.on('error', reject);
  asked.end();
  await promise;
  return { entries, ready, close: () => asked.destroy() };
}

export interface Task {
  readonly ID: string;
  readonly Slot: number;
  readonly NodeID: string;
  readonly CreatedAt: string;
  readonly Status: { readonly State: string; readonly Timestamp: string };
}

export interface Node {
  readonly ID: string;
  readonly Description: { readonly Hostname: string };
  readonly ManagerStatus?: { readonly Leader?: boolean };
}

/** One question to an engine; rejects where it has no answer in 2 s. */
export function askEngine<T>(socketPath: string, path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { socketPath, path, signal: AbortSignal.timeout(2_000), headers: { host: 'docker' } },
      answer =>
        void text(answer).then(
          said => (answer.statusCode === 200 ? resolve(JSON.parse(said) as T) : reject(new Error(said))),
          reject,
        ),
    );
    asked.on('error', reject);
    asked.end();
  });
}

/** All tasks of a service, also those that ended. */
export const tasksOf = (socketPath: string, service: string): Promise<Task[]> =>
  askEngine(socketPath, `/tasks?filters=${encodeURIComponent(JSON.stringify({ service: [service] }))}`);

/** What happened after `faultMs`, until all was well again. */
export function courseOf(
  faultMs: number,
  entries: readonly Entry[],
  tasks: readonly Task[],
  log: readonly Record<string, unknown>[],
): Course {
  const after = (ms: number | undefined): number | null =>
    ms === undefined ? null : Math.round(ms - faultMs);
  const since = entries.filter(({ atMs }) => atMs > faultMs);
  const out = since.find(({ from, to }) => from === 'ready' && to !== 'ready');
  const notice = (part: string): Entry | undefined => since.find(({ text }) => text?.includes(part) === true);
  const fresh = tasks.filter(
    ({ CreatedAt, Status }) => Date.parse(CreatedAt) > faultMs && Status.State === 'running',
  );
  const ids = new Set(fresh.map(({ ID }) => idOf(ID)));
  const listed = log.flatMap(({ time, msg }) => {
    const id = /: task (\S+) runs on /.exec(String(msg))?.[1];
    return id !== undefined && ids.has(idOf(id)) ? Date.parse(String(time)) : [];
  });
  const last = (times: number[]): number | undefined => (times.length === 0 ? undefined : Math.max(...times));
  return {
    out: after(out?.atMs),
    lost: after(notice(' is lost: ')?.atMs),
    written: after(notice('is made elsewhere')?.atMs),
    made: after(last(fresh.map(({ CreatedAt }) => Date.parse(CreatedAt)))),
    runs: after(last(fresh.map(({ Status }) => Date.parse(Status.Timestamp)))),
    listed: after(last(listed)),
    answer: after(since.findLast(({ to }) => to === 'ready')?.atMs),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
