// torc's own answers to gRPC calls. A client of gRPC reads `grpc-status` and takes anything else for a guess (its table of
// HTTP statuses is for answers without one: doc/http-grpc-status-mapping.md), so a call gets 200 and a status of its own, as
// nothing but a head ("Trailers-Only", doc/PROTOCOL-HTTP2.md). A time-out is DEADLINE_EXCEEDED and not UNAVAILABLE, which
// clients repeat; Envoy answered that for years and changed it (envoyproxy/envoy#10184).

import { type ProxyErrorCode, proxyErrors } from '../core/errors.ts';

const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;

export const grpcStatuses = {
  NO_REPLICA: UNAVAILABLE,
  QUEUE_FULL: UNAVAILABLE,
  SHUTTING_DOWN: UNAVAILABLE,
  REFUSED: UNAVAILABLE,
  TLS_FAILED: UNAVAILABLE,
  RESET: UNAVAILABLE,
  // Nothing was sent: it may be tried again.
  CONNECT_TIMEOUT: UNAVAILABLE,
  RESPONSE_TIMEOUT: DEADLINE_EXCEEDED,
  BODY_TIMEOUT: DEADLINE_EXCEEDED,
  REQUEST_TIMEOUT: DEADLINE_EXCEEDED,
  REQUEST_BODY_TIMEOUT: DEADLINE_EXCEEDED,
  BAD_RESPONSE: INTERNAL,
  BAD_REQUEST: INTERNAL,
  TARGET_TOO_LONG: RESOURCE_EXHAUSTED,
  HEAD_TOO_LARGE: RESOURCE_EXHAUSTED,
  UPGRADE_REFUSED: UNIMPLEMENTED,
  CONNECT_REFUSED: UNIMPLEMENTED,
  TRACE_REFUSED: UNIMPLEMENTED,
  CLIENT_GONE: CANCELLED,
} as const satisfies Record<ProxyErrorCode, number>;

/** Not gRPC-Web, whose clients read bodies (doc/PROTOCOL-WEB.md). */
const CONTENT_TYPE = /\r\ncontent-type:[ \t]*application\/grpc(?:[+; \t\r]|$)/i;

/** Looked for when an answer is torc's own: nearly no request needs to know. */
export const isGrpc = (head: string): boolean => CONTENT_TYPE.test(head);

/** The same of the field's value. */
export const isGrpcType = (contentType: string): boolean => isGrpc(`\r\ncontent-type:${contentType}`);

/** Messages are printable ASCII, as all of core/errors.ts is; only a "%" has to be encoded. */
export const grpcTrailers = (code: ProxyErrorCode): string =>
  `grpc-status: ${grpcStatuses[code]}\r\ngrpc-message: torc: ${proxyErrors[code].message.replaceAll('%', '%25')}\r\n`;

export const grpcHead = (code: ProxyErrorCode): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\nDate: ${new Date().toUTCString()}\r\n${grpcTrailers(code)}`;
