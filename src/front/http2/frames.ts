// The frames of HTTP/2 on the wire (RFC 9113 sections 4 and 6): their numbers, and how their heads are read and written. Pure, and
// free of any idea what a frame means: that is connection.ts's.

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

// Flags.
export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const HAS_PRIORITY = 0x20;

// Error codes (section 7).
export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const ENHANCE_YOUR_CALM = 11;

export const FRAME_HEAD_BYTES = 9;
/** The least that each side takes, and the most that torc takes and sends: SETTINGS_MAX_FRAME_SIZE where nobody says otherwise. */
export const MAX_FRAME_BYTES = 16_384;
/** Of a window, and of ids. */
export const MAX_31 = 2 ** 31 - 1;
/** Of a stream and of the connection, before anybody says otherwise. */
export const DEFAULT_WINDOW_BYTES = 65_535;

/** Returns where the payload begins. */
export function putFrameHead(
  out: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  id: number,
): number {
  out[at] = length >> 16;
  out[at + 1] = length >> 8;
  out[at + 2] = length;
  out[at + 3] = type;
  out[at + 4] = flags;
  return putUint32(out, at + 5, id);
}

export function putUint32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

export const uint24At = (bytes: Buffer, at: number): number =>
  (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;

export const uint32At = (bytes: Buffer, at: number): number => uint24At(bytes, at) * 256 + bytes[at + 3]!;

/** Without the bit that has no meaning. */
export const uint31At = (bytes: Buffer, at: number): number =>
  ((bytes[at]! & 0x7f) << 24) | uint24At(bytes, at + 1);
