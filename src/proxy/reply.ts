// torc's own answers: the JSON of CONTRACT.md, in one string write. A head that torc makes has no field of a client or
// replica in it, so nothing needs to be escaped but the message, which JSON.stringify does.

import type { ServerResponse } from 'node:http';
import { type ProxyErrorCode, proxyErrors } from '../core/errors.ts';
import { putHead } from './wire.ts';

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  499: 'Client Closed Request',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** Every method but CONNECT and TRACE reaches the replicas; a 405 has to name some (RFC 9110 section 15.5.6). */
const USUAL_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** `slot` and `id` tell where it failed and find it in the log; '' where there is none. */
const bodyOf = (message: string, slot = '', id = ''): string =>
  `${JSON.stringify({
    message: `<Error> ${message}`,
    status: 'failure',
    slot: slot === '' ? undefined : slot,
    id: id === '' ? undefined : id,
  })}\n`;

function headOf(status: number, body: string, retryAfterS: number, close: boolean): string {
  const retryAfter = retryAfterS > 0 ? `Retry-After: ${retryAfterS}\r\n` : '';
  const connection = close ? 'Connection: close\r\n' : '';
  const allow = status === 405 ? `Allow: ${USUAL_METHODS}\r\n` : '';
  return (
    `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
    `Content-Length: ${body.length}\r\nDate: ${new Date().toUTCString()}\r\nCache-Control: no-store\r\n${retryAfter}${allow}${connection}`
  );
}

/** Answers with a row of core/errors.ts; returns the length of the body. */
export function replyError(
  response: ServerResponse,
  code: ProxyErrorCode,
  close: boolean,
  slot: string,
  id: string,
): number {
  const { status, message, retryAfterS } = proxyErrors[code];
  return reply(response, status, bodyOf(message, slot, id), retryAfterS, close);
}

/** The assignment's answer where a replica has no such path. */
export function replyUnknownEndpoint(response: ServerResponse, target: string, close: boolean): number {
  const question = target.indexOf('?');
  const path = question === -1 ? target : target.slice(0, question);
  return reply(response, 400, bodyOf(`'${path}' endpoint does not exist in server replicas`), 0, close);
}

function reply(
  response: ServerResponse,
  status: number,
  body: string,
  retryAfterS: number,
  close: boolean,
): number {
  const last = close || !response.shouldKeepAlive;
  putHead(response, status, headOf(status, body, retryAfterS, last), false, last);
  response.end(body, 'latin1');
  return body.length;
}

/** The same for a socket whose request never became one (a broken head), or that is no longer HTTP's. */
export function rawError(code: ProxyErrorCode): string {
  const { status, message, retryAfterS } = proxyErrors[code];
  const body = bodyOf(message);
  return `${headOf(status, body, retryAfterS, true)}\r\n${body}`;
}

/** Max-Forwards reached 0: torc is the end of the way (RFC 9110 section 7.6.2). TRACE tells what arrived, without secrets. */
export function replyLastHop(
  response: ServerResponse,
  method: string,
  target: string,
  rawHeaders: readonly string[],
): void {
  const last = !response.shouldKeepAlive;
  let body = '';
  if (method === 'TRACE') {
    body = `TRACE ${target} HTTP/1.1\r\n`;
    for (let index = 0; index < rawHeaders.length; index += 2) {
      if (/^(?:authorization|proxy-authorization|cookie)$/i.test(rawHeaders[index]!)) continue;
      body += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`;
    }
    body += '\r\n';
  }
  const type = method === 'TRACE' ? 'Content-Type: message/http\r\n' : '';
  const connection = last ? 'Connection: close\r\n' : '';
  const head = `HTTP/1.1 200 OK\r\n${type}Content-Length: ${body.length}\r\nDate: ${new Date().toUTCString()}\r\n${connection}`;
  putHead(response, 200, head, false, last);
  response.end(body, 'latin1');
}
