// Hot: runs per response.
// Puts a response head that is already text into a ServerResponse, so that head and small body leave as one string in
// one write. The public way (`writeHead` with a list) checks and copies every field again: 62 us a request instead of
// 52 in the study of docs/decisions/0004-upstream-client.md. `_header`, `_last` and `_hasBody` are what `writeHead` itself
// ends in, unchanged for ten years; Node is pinned, and test/exchange/forward.test.ts pins the bytes.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

interface Inside {
  _header: string | null;
  _last: boolean;
  _hasBody: boolean;
  _expect_continue: boolean;
  _sent100: boolean;
  _headerSent: boolean;
  _closed: boolean;
  finished: boolean;
  statusCode: number;
  chunkedEncoding: boolean;
  socket: Socket | null;
  _send(data: string, encoding: 'latin1'): boolean;
  _flush(): void;
}

interface ServerSocket extends Socket {
  _httpMessage?: ServerResponse | null;
}

/** The response's turn has come. As Node's own assignSocket, less its listener: the server calls `tellClosed`. */
export function assign(response: ServerResponse, socket: Socket): void {
  const inside = response as unknown as Inside;
  (socket as ServerSocket)._httpMessage = response;
  inside.socket = socket;
  response.emit('socket', socket);
  inside._flush();
}

export function detach(response: ServerResponse, socket: Socket): void {
  (socket as ServerSocket)._httpMessage = null;
  (response as unknown as Inside).socket = null;
}

/** The connection is gone: the response that has its turn hears of it. */
export function tellClosed(socket: Socket): void {
  const response = (socket as ServerSocket)._httpMessage;
  const inside = response as unknown as Inside | null | undefined;
  if (!response || !inside || inside._closed) return;
  response.destroyed = true;
  inside._closed = true;
  response.emit('close');
}

/** Nothing waits in the socket: what is written now leaves now, and in order. */
export function mayPutWhole(response: ServerResponse, socket: Socket): boolean {
  return (
    response.socket === socket &&
    !response.headersSent &&
    socket.writable &&
    socket.writableLength === 0 &&
    socket.writableCorked === 0
  );
}

/**
 * A whole answer, head and body, as one text; the response is over with it. `end` would cork the socket, queue the text,
 * take it out again and finish a tick later (docs/benchmarks.md). Only after `mayPutWhole`. A client that does not read
 * piles up no more than one of these: node:http reads no request while its socket is full.
 */
export function putWhole(
  response: ServerResponse,
  socket: Socket,
  status: number,
  text: string,
  last: boolean,
): void {
  const inside = response as unknown as Inside;
  inside.statusCode = status;
  inside._last ||= last;
  inside._header = text;
  inside._headerSent = true;
  inside.finished = true;
  socket.write(text, 'latin1');
  response.emit('finish');
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

/** True where the client said that it waits with its body, and nobody told it to go on. */
export function withoutContinue(response: ServerResponse): boolean {
  const inside = response as unknown as Inside;
  return inside._expect_continue === true && inside._sent100 !== true;
}
