// Hot: one of each per request.
// node:http's request and response, with a place for the downstream that they belong to, and without two things that Node does
// for each: an object of all fields, and a listener on the socket that comes and goes (docs/benchmarks.md). Node is pinned;
// test/front and test/exchange pin what follows from it.

import { type IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { assign, detach } from './wire.ts';

/** Who is told what a message does. */
export interface MessageEvents {
  requestData(chunk: Buffer): void;
  requestEnded(): void;
  /** The response takes more. */
  drained(): void;
}

export class ProxyRequest extends IncomingMessage {
  downstream: MessageEvents | null = null;
  /** Its body's framing was found broken while it waited for its turn. */
  isBroken = false;
  /** What `headers` tells, once it was asked. */
  few: IncomingHttpHeaders | null = null;

  /** All fields as node:http has them: for control requests, which are few. */
  get allHeaders(): IncomingHttpHeaders {
    return Reflect.get(IncomingMessage.prototype, 'headers', this) as IncomingHttpHeaders;
  }
}

/** The fields that node:http's server itself and `mayUpgrade` ask for; a table by length spares all others the look. */
const FEW = new Set(['te', 'expect', 'upgrade', 'content-length', 'transfer-encoding']);
const LENGTHS: readonly boolean[] = Array.from({ length: 32 }, (_, length) =>
  [...FEW].some(name => name.length === length),
);
const NONE: IncomingHttpHeaders = Object.freeze({});

// The types have a property there, which no accessor of a class may override.
Object.defineProperty(ProxyRequest.prototype, 'headers', {
  get(this: ProxyRequest): IncomingHttpHeaders {
    this.few ??= fewOf(this.rawHeaders);
    return this.few;
  },
});

function fewOf(rawHeaders: readonly string[]): IncomingHttpHeaders {
  let few = NONE;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (LENGTHS[name.length] !== true) continue;
    const lower = name.toLowerCase();
    if (!FEW.has(lower)) continue;
    if (few === NONE) few = {};
    const before = few[lower];
    few[lower] = before === undefined ? rawHeaders[index + 1] : `${before}, ${rawHeaders[index + 1]}`;
  }
  return few;
}

/** The request says that a body of some length follows. */
export const hasLength = ({ headers }: IncomingMessage): boolean =>
  (headers['content-length'] ?? '0') !== '0';

export class ProxyResponse extends ServerResponse<ProxyRequest> {
  downstream: MessageEvents | null = null;

  override assignSocket(socket: Socket): void {
    assign(this, socket);
  }

  override detachSocket(socket: Socket): void {
    detach(this, socket);
  }
}
