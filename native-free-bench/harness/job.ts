// What the load generator is asked for, what it sends, and what it found: the words between the bench and its process.
// A file of its own, because both of its loops and the bench's end need it.

export interface ClosedJob {
  readonly kind: 'closed';
  readonly urls: readonly string[];
  readonly connections: number;
  readonly seconds: number;
  readonly method: 'GET' | 'POST';
  /** Requests that say their key in a field and in a body of so many bytes, first and last (`keyedBody`); else their body has none. */
  readonly keyedBytes?: number;
  /** A new connection for each request: the target closes them anyway, or is asked to. */
  readonly reconnects: boolean;
}

export interface OpenJob {
  readonly kind: 'open';
  readonly urls: readonly string[];
  readonly connections: number;
  readonly seconds: number;
  readonly perSecond: number;
}

/** A new TLS connection for each request. */
export interface HandshakeJob {
  readonly kind: 'handshakes';
  readonly url: string;
  readonly seconds: number;
  readonly resumed: boolean;
}

export type Job = ClosedJob | OpenJob | HandshakeJob;

export interface LoadResult {
  /** Answered with 200. */
  readonly requests: number;
  readonly seconds: number;
  /** Other statuses; connections that could not be made. */
  readonly errors: number;
  /** Lost: sent and never answered, but for what a closed loop has under way when it is over. */
  readonly unanswered: number;
  /** The start of a 200 that no replica can have sent. */
  readonly wrong: string | null;
  readonly perReplica: readonly number[];
  /** Latencies.toText() */
  readonly latencies: string;
  /** Open loop: how late the generator itself was. */
  readonly lateP99Us: number;
}

/** Different values of request_id in the load. */
export const KEYS = 4096;

/** 1 KiB of JSON. */
export const POST_BODY = JSON.stringify({ text: 'x'.repeat(1024 - '{"text":""}'.length) });

/** A body of JSON with the key before and behind all else in it. */
export function keyedBody(key: string, bytes: number): string {
  const made = (text: string): string => JSON.stringify({ first: key, text, last: key });
  return made('x'.repeat(Math.max(0, bytes - made('').length)));
}

/** A POST where there is a body, which is ASCII. `fields`: further lines with their CRLF. */
export function requestText(index: number, body = '', fields = ''): string {
  const path = `/request?request_id=${(index % KEYS) + 1}`;
  if (body === '') return `GET ${path} HTTP/1.1\r\nHost: bench\r\n${fields}\r\n`;
  return `POST ${path} HTTP/1.1\r\nHost: bench\r\n${fields}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}
