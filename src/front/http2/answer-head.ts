// Hot: runs per answer.
// An answer's head, a status line and lines of fields, as a block of HPACK. The head of a replica's answers is nearly always the
// same text as last time, but for the line that names the request; and a block means the same on every connection
// (hpack-encoder.ts). So what was made of a text is kept, for all of them.

import { putLines, putStatus, roomFor } from './hpack-encoder.ts';

/** A replica's heads change once a second, with its Date. */
const MOST_KNOWN = 64;
const MOST_KNOWN_BYTES = 4096;
const known = new Map<string, Buffer>();
let scratch = Buffer.allocUnsafeSlow(4096);

/** The block of `head`, a status line and lines; valid until the next call. */
export const headBlock = (head: string): Buffer => known.get(head) ?? made(head);

function made(head: string): Buffer {
  const out = scratchFor(head);
  const block = out.subarray(
    0,
    putLines(out, putStatus(out, 0, head.slice(9, 12)), head, head.indexOf('\r\n') + 2),
  );
  if (head.length > MOST_KNOWN_BYTES) return block;
  if (known.size === MOST_KNOWN) known.clear();
  known.set(head, Buffer.from(block));
  return block;
}

/** Lines alone, behind a body; those that may not stand there are the caller's to leave out. */
export function trailerBlock(lines: string): Buffer {
  const out = scratchFor(lines);
  return out.subarray(0, putLines(out, 0, lines, 0));
}

function scratchFor(text: string): Buffer {
  if (scratch.length < roomFor(text)) scratch = Buffer.allocUnsafeSlow(2 * roomFor(text));
  return scratch;
}
