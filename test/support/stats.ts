// A reader of /admin/stats as a stream: keeps the document by its patches, and what was seen on the way.

import type { HotKeysView } from '../../src/admin/hot-keys.ts';
import { applyPatch } from '../../src/admin/page/model.js';
import type { StatsAnswer } from '../../src/admin/stats-view.ts';
import type { ControlEvent } from '../../src/control/journal.ts';
import type { Torc } from './torc.ts';

export interface StatsStream {
  /** Of now. */
  readonly document: StatsAnswer;
  readonly entries: readonly ControlEvent[];
  /** As told last. */
  hotKeys: HotKeysView | null;
  /** Slots that were not ready in some document. */
  readonly seenOut: ReadonlySet<string>;
  /** The largest share of all keys that a slot was seen to lend. */
  readonly seenLent: ReadonlyMap<string, number>;
  close(): void;
}

/** Resolves with the first whole document. */
export async function followStats(torc: Torc, headers: Record<string, string> = {}): Promise<StatsStream> {
  const abort = new AbortController();
  const response = await fetch(`${torc.url}/admin/stats`, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: abort.signal,
  });
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  const stream = {
    document: {} as StatsAnswer,
    entries: [] as ControlEvent[],
    hotKeys: null as HotKeysView | null,
    seenOut: new Set<string>(),
    seenLent: new Map<string, number>(),
    close: () => abort.abort(),
  };
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  void read(response, (event, data) => {
    if (event === 'journal') stream.entries.push(data as ControlEvent);
    else if (event === 'hot-keys') stream.hotKeys = data as HotKeysView;
    else if (event === 'stats') stream.document = data as StatsAnswer;
    else applyPatch(stream.document, data as object);
    if (event === 'stats') resolve();
    for (const { name, state, lent = [] } of Object.values(stream.document.slots)) {
      if (state !== 'ready') stream.seenOut.add(name);
      const sum = lent.reduce((all, { share }) => all + share, 0);
      stream.seenLent.set(name, Math.max(sum, stream.seenLent.get(name) ?? 0));
    }
  }).catch(() => {});
  await begun;
  return stream;
}

async function read(response: Response, onEvent: (event: string, data: unknown) => void): Promise<void> {
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + chunk).split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      const event = /^event: (.+)$/m.exec(block)?.[1];
      const data = /^data: (.+)$/m.exec(block)?.[1];
      if (event !== undefined && data !== undefined) onEvent(event, JSON.parse(data));
    }
  }
}
