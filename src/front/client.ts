// One client connection as long as it stays in its lane: its requests that are not answered yet (several, when it
// pipelines), and how far they are. Made once, not per request, so that one listener on the socket tells all of them when
// the client is gone. Who it is, is its Peer's (peer.ts), which is the connection's from its first byte to its last.

import type { Socket } from 'node:net';
import { unwritten } from '../core/write-text.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { ProxyRequest, ProxyResponse } from './http-messages.ts';
import type { Peer } from './peer.ts';

/** A request at work. */
export interface Running {
  readonly exchange: Exchange;
}

/** A request whose turn has not come. */
export interface Waiting {
  readonly request: ProxyRequest;
  readonly response: ProxyResponse;
}

/** What a connection in the raw lane is told (express.ts). */
export interface RawLane {
  /** Nothing was read that is not answered. */
  readonly isIdle: boolean;
  rest(): void;
  forget(): void;
  received(chunk: Buffer): void;
  /** The client has taken what it was given. */
  taken(): void;
  ended(): void;
}

/** What a connection of HTTP/2 is told (http2/connection.ts). */
export interface Http2Lane {
  /** Nothing will be asked or answered any more. */
  readonly isOver: boolean;
  sweep(nowMs: number, idleSinceMs: number, silentSinceMs: number): void;
  /** The client has closed its half. */
  ended(): void;
  /** Takes no more requests, and ends with those that it has. */
  close(): void;
}

/** A client's socket knows its Client, and its lane where that is the raw one: nothing is looked up per request. */
export interface ClientSocket extends Socket {
  client?: Client;
  express?: RawLane | null;
  /** Of node:tls. */
  readonly encrypted?: boolean;
}

export class Client {
  readonly socket: Socket;
  readonly peer: Peer;
  /** Requests without a complete answer, oldest first. */
  readonly running: Running[] = [];
  /** When its last request ended; before the first, Node's timeout of the head counts. */
  idleSinceMs = Number.POSITIVE_INFINITY;
  /** An answer has said that the connection ends: what comes behind is not served any more. */
  closing = false;
  /** What came behind its requests was refused: the refusal is the last thing it gets. */
  refused = false;
  /** All that it gets has been written; what it still sends is dropped. */
  lingering = false;
  /** Pipelined requests that wait for their turn, oldest first. */
  readonly waiting: Waiting[] = [];
  /** The answer to a control request that is at work. */
  control: ProxyResponse | null = null;
  /** null where HTTP/1.1 is spoken. */
  http2: Http2Lane | null = null;
  /** A tunnel carries another protocol: none of HTTP's rules for connections hold. */
  isTunnel = false;
  /** A method that the parser does not know, until its request is there (request-line.ts). */
  method = '';
  /** A request that is read a second time once all before it are answered, and what came behind it. */
  parked: Buffer[] | null = null;
  /** Of node:http's parser: messages that it has seen the first byte of, whole heads, and the first byte that it read. */
  messagesBegun = 0;
  requestsRead = 0;
  parsedFromByte = 0;
  /** Bytes of the connection that were read when the last message began. */
  begunAtByte = 0;
  /** Those that the raw lane had read already have no end of a line; null where there were none. */
  beginsWithinLine: boolean | null = null;
  /** No answer has left before the end of its request: between two requests nothing else is on the wire. */
  inStep = true;
  readonly openedMs: number;
  #unwritten = 0;

  constructor(socket: Socket, peer: Peer, nowMs: number) {
    this.socket = socket;
    this.peer = peer;
    this.openedMs = nowMs;
  }

  /** Requests that it made and that are not answered, torc's own ones too. */
  get owes(): number {
    return this.running.length + this.waiting.length + (this.control === null ? 0 : 1);
  }

  get isServed(): boolean {
    return this.owes === 0;
  }

  finished(request: Running, nowMs: number): void {
    const { running } = this;
    this.idleSinceMs = nowMs;
    // Nearly always the only one: clients that pipeline are rare.
    if (running.length === 1) running.pop();
    else {
      const index = running.indexOf(request);
      if (index !== -1) running.splice(index, 1);
    }
  }

  /** Keep-alive is over: no request since `sinceMs`, and it reads no more of what it was sent. */
  isIdle(sinceMs: number, nowMs: number): boolean {
    if (this.idleSinceMs > sinceMs || this.running.length > 0 || this.isTunnel) return false;
    const left = unwritten(this.socket);
    if (left === this.#unwritten) return true;
    this.#unwritten = left;
    this.idleSinceMs = nowMs;
    return false;
  }

  get hasSpoken(): boolean {
    return this.idleSinceMs !== Number.POSITIVE_INFINITY || this.running.length > 0;
  }

  /** It has not said anything since `sinceMs`, when it was there already. */
  isSilent(sinceMs: number): boolean {
    return !this.hasSpoken && this.openedMs <= sinceMs;
  }

  gone(): void {
    while (this.running.length > 0) this.running.pop()!.exchange.clientGone();
  }
}
