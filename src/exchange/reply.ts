// The texts of torc's own answers: the contract's JSON and its heads. A head that torc makes has no field of a client or
// replica in it, so nothing needs to be escaped but the message, which JSON.stringify does.

import { type ProxyErrorCode, proxyErrors } from '../core/errors.ts';

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  499: 'Client Closed Request',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** Every method but CONNECT and TRACE reaches the replicas; a 405 has to name some (RFC 9110 section 15.5.6). */
const USUAL_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

const bodyOf = (message: string, slot = '', id = ''): string =>
  `${JSON.stringify({
    message: `<Error> ${message}`,
    status: 'failure',
    slot: slot === '' ? undefined : slot,
    id: id === '' ? undefined : id,
  })}\n`;

/** Without the line about the connection, which is the answer's to add. */
export function replyHead(status: number, body: string, retryAfterS: number): string {
  const retryAfter = retryAfterS > 0 ? `Retry-After: ${retryAfterS}\r\n` : '';
  const allow = status === 405 ? `Allow: ${USUAL_METHODS}\r\n` : '';
  return (
    `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
    `Content-Length: ${body.length}\r\nDate: ${new Date().toUTCString()}\r\nCache-Control: no-store\r\n${retryAfter}${allow}`
  );
}

/** A row of core/errors.ts as the contract's JSON. `slot` and `id` tell where it failed and find it in the log; '' where there is none. */
export const errorBody = (code: ProxyErrorCode, slot: string, id: string): string =>
  bodyOf(proxyErrors[code].message, slot, id);

/** The assignment's answer where a replica has no such path. */
export function unknownEndpointBody(target: string): string {
  const question = target.indexOf('?');
  const path = question === -1 ? target : target.slice(0, question);
  return bodyOf(`'${path}' endpoint does not exist in server replicas`);
}

/**
 * The whole answer to a request that never became one (a broken head), the last of its connection; `idLine` is the field with
 * its id, or ''.
 */
export function rawError(code: ProxyErrorCode, id = '', idLine = ''): string {
  const { status, retryAfterS } = proxyErrors[code];
  const body = errorBody(code, '', id);
  return `${replyHead(status, body, retryAfterS)}Connection: close\r\n${idLine}\r\n${body}`;
}

/** The same by https, on that port. */
export function redirectHead(host: string, port: number, target: string): string {
  const name = host.replace(/:[0-9]*$/, '');
  const location = `https://${name}${port === 443 ? '' : `:${port}`}${target === '*' ? '/' : target}`;
  return `HTTP/1.1 308 ${REASONS[308]}\r\nLocation: ${location}\r\nContent-Length: 0\r\nDate: ${new Date().toUTCString()}\r\n`;
}

/** Max-Forwards reached 0: torc is the end of the way (RFC 9110 section 7.6.2). TRACE tells what arrived, without secrets. */
export function lastHopBody(method: string, target: string, rawHeaders: readonly string[]): string {
  if (method !== 'TRACE') return '';
  let body = `TRACE ${target} HTTP/1.1\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (/^(?:authorization|proxy-authorization|cookie)$/i.test(rawHeaders[index]!)) continue;
    body += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`;
  }
  return `${body}\r\n`;
}

export function lastHopHead(method: string, body: string): string {
  const type = method === 'TRACE' ? 'Content-Type: message/http\r\n' : '';
  return `HTTP/1.1 200 OK\r\n${type}Content-Length: ${body.length}\r\nDate: ${new Date().toUTCString()}\r\n`;
}
