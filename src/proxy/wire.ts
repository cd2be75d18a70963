// Hot: runs per response.
// Puts a response head that is already text into a ServerResponse, so that head and small body leave as one string in
// one write. The public way (`writeHead` with a list) checks and copies every field again: 62 us a request instead of
// 52 in the study of docs/decisions/0004-upstream-client.md. `_header`, `_last` and `_hasBody` are what `writeHead` itself
// ends in, unchanged for ten years; Node is pinned, and test/proxy/forward.test.ts pins the bytes.

import type { ServerResponse } from 'node:http';

interface Inside {
  _header: string | null;
  _last: boolean;
  _hasBody: boolean;
  _expect_continue: boolean;
  _sent100: boolean;
  statusCode: number;
  chunkedEncoding: boolean;
  _send(data: string, encoding: 'latin1'): boolean;
}

/**
 * `text`: status line and fields with their CRLFs, without the empty line. `last`: the connection ends after it.
 * The head leaves with the first bytes of the body, or with `flushHeaders` or `end`.
 */
export function putHead(
  response: ServerResponse,
  status: number,
  text: string,
  chunked: boolean,
  last: boolean,
): void {
  const inside = response as unknown as Inside;
  inside.statusCode = status;
  inside.chunkedEncoding = chunked;
  // Node has set it already where the client has closed its half: the answer is the last one then.
  inside._last ||= last;
  if (status === 204 || status === 304) inside._hasBody = false;
  inside._header = `${text}\r\n`;
}

/** Sends the head alone. Node's flushHeaders sends it as UTF-8, which turns a byte above 127 into two. */
export function flushHead(response: ServerResponse): void {
  (response as unknown as Inside)._send('', 'latin1');
}

/** True where the client was told to wait with its body and nobody told it to go on: it may send it or not. */
export function withoutContinue(response: ServerResponse): boolean {
  const inside = response as unknown as Inside;
  return inside._expect_continue === true && inside._sent100 !== true;
}
