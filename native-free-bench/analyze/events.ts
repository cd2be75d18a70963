// torc's own account: the server-sent events of /admin/events, collected from the start, so that each analysis can say
// not only what the clients saw but what torc did at that moment and why.

import type { Pool } from 'undici';

export interface ControlEvent {
  readonly atMs: number;
  readonly slot: string;
  readonly generation: number;
  readonly from: string;
  readonly to: string;
  readonly cause: string;
  readonly source: string;
  /** Last proof of life to first signal; first signal to out of routing; first signal to back in routing. */
  readonly detectedMs?: number;
  readonly ejectedMs?: number;
  readonly readyMs?: number;
}

/** More than any run here makes; the oldest go first. */
const KEPT = 1000;

/** An array that grows as events come, until the pool is closed. */
export function watchEvents(pool: Pool): readonly ControlEvent[] {
  const events: ControlEvent[] = [];
  const follow = async (): Promise<void> => {
    const { body } = await pool.request({ method: 'GET', path: '/admin/events', bodyTimeout: 0 });
    body.setEncoding('utf8');
    let rest = '';
    for await (const chunk of body as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines)
        if (line.startsWith('data: ')) events.push(JSON.parse(line.slice('data: '.length)) as ControlEvent);
      if (events.length > KEPT) events.splice(0, events.length - KEPT);
    }
  };
  // The stream ends with torc, by an error: then there is nothing more to tell.
  follow().catch(() => {});
  return events;
}
