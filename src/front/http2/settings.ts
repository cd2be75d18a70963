// SETTINGS (RFC 9113 section 6.5): what torc announces, and what of a client's matters to one who only answers. Pure. Tables of
// HPACK are not among it: torc writes without one, and a client's frames are never larger than all have to take.

import { FLOW_CONTROL_ERROR, MAX_31, PROTOCOL_ERROR, putUint32, uint32At } from './frames.ts';

const ENABLE_PUSH = 2;
const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;
const MAX_HEADER_LIST_SIZE = 6;
const ENABLE_CONNECT_PROTOCOL = 8;

export const ENTRY_BYTES = 6;

/** The payload of torc's own. */
export function ownSettings(mostStreams: number, windowBytes: number, mostHeadBytes: number): Buffer {
  const entries = [
    [MAX_CONCURRENT_STREAMS, mostStreams],
    [INITIAL_WINDOW_SIZE, windowBytes],
    [MAX_HEADER_LIST_SIZE, mostHeadBytes],
    [ENABLE_CONNECT_PROTOCOL, 1],
  ] as const;
  const payload = Buffer.alloc(entries.length * ENTRY_BYTES);
  let at = 0;
  for (const [name, value] of entries) {
    payload[at + 1] = name;
    at = putUint32(payload, at + 2, value);
  }
  return payload;
}

/** What the client takes of a stream's body before it says more: as it last said, or `before`. Else minus an error code. */
export function initialWindowOf(bytes: Buffer, start: number, end: number, before: number): number {
  let window = before;
  for (let at = start; at < end; at += ENTRY_BYTES) {
    const value = uint32At(bytes, at + 2);
    switch ((bytes[at]! << 8) | bytes[at + 1]!) {
      case ENABLE_PUSH:
      case ENABLE_CONNECT_PROTOCOL:
        if (value > 1) return -PROTOCOL_ERROR;
        break;
      case INITIAL_WINDOW_SIZE:
        if (value > MAX_31) return -FLOW_CONTROL_ERROR;
        window = value;
        break;
      case MAX_FRAME_SIZE:
        if (value < 16_384 || value > 16_777_215) return -PROTOCOL_ERROR;
    }
  }
  return window;
}
