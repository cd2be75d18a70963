// torc's own account of what happened: follows /admin/events and keeps the changes of state.

import type { ControlEvent } from '../../src/control/journal.ts';
import type { Torc } from './torc.ts';

export interface Events {
  readonly changes: readonly ControlEvent[];
  close(): void;
}

export async function followEvents(torc: Torc): Promise<Events> {
  const abort = new AbortController();
  const response = await fetch(`${torc.url}/admin/events`, { signal: abort.signal });
  const changes: ControlEvent[] = [];
  void read(response, changes).catch(() => {});
  return { changes, close: () => abort.abort() };
}

async function read(response: Response, changes: ControlEvent[]): Promise<void> {
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      const data = /^data: (.+)$/m.exec(block)?.[1];
      if (data === undefined) continue;
      const entry = JSON.parse(data) as Partial<ControlEvent>;
      if (entry.slot !== undefined) changes.push(entry as ControlEvent);
    }
  }
}
