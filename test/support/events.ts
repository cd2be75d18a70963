// torc's own account of what happened: follows /admin/events and keeps the changes of state. `close` fails where one of
// them is not as documented.

import { event } from '../../src/admin/schemas.ts';
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
  const faults: string[] = [];
  void read(response, changes, faults).catch(() => {});
  const close = (): void => {
    abort.abort();
    if (faults.length > 0) throw new Error(`events are not as documented: ${faults.join('\n')}`);
  };
  return { changes, close };
}

async function read(response: Response, changes: ControlEvent[], faults: string[]): Promise<void> {
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      const data = /^data: (.+)$/m.exec(block)?.[1];
      if (data === undefined) continue;
      const entry = JSON.parse(data) as Partial<ControlEvent>;
      const { success, error } = event.safeParse(entry);
      if (!success) faults.push(`${data}: ${error.message}`);
      if (entry.slot !== undefined) changes.push(entry as ControlEvent);
    }
  }
}
