// What an exchange asks of its client's side: the one interface between a request and the door that it came through. A
// door (front/) reads requests and writes answers in its own way, and declares nothing here; an exchange knows bytes and
// moments, and no class of any door. So retries, deadlines, back-pressure and counting are written once for all doors.
//
// The door calls the exchange: `start`, `requestData`, `requestEnded`, `drained`, `broken`, `clientGone`.
// The exchange calls back through this interface. Heads are text: a status line and fields, each with its CRLF, without
// the empty line, one character per byte.

import type { Duplex } from 'node:stream';

export interface Downstream {
  /** The client's address, for the log. */
  readonly ip: string;
  readonly isHttp11: boolean;
  /** The connection goes on behind this answer. The exchange may only take it away, before the head is put. */
  keepAlive: boolean;
  /** Other requests of the connection wait for their turn behind this one. */
  readonly hasWaiting: boolean;
  /** The last byte of the request is here. */
  readonly isComplete: boolean;
  /** The client keeps its body back until it is told to go on, and was not told. */
  readonly waitsForContinue: boolean;
  /** Fields behind the request's body: name, value, name, value. */
  readonly trailers: readonly string[];

  /** The client asked by https, as far as who is believed says so. */
  isSecure(rawHeaders: readonly string[]): boolean;

  /** Back-pressure on the request's body. */
  pause(): void;
  resume(): void;

  /** 100, which asks for the body and is what any client has to be ready for. */
  putContinue(): void;
  /** Another interim answer; `fields` are lines with their CRLF. */
  putInterim(status: number, fields: string): void;
  /**
   * A whole answer whose head says its length; in one write where nothing waits before it. `line` goes behind the head: the
   * field, or several, that the answer has for itself, so that the same head may be seen to be the same.
   */
  putWhole(status: number, head: string, line: string, body: string): void;
  /** Leaves with the first bytes of the body, with `flush` or with `putEnd`. */
  putHead(status: number, head: string, line: string, isChunked: boolean): void;
  /** False: no more is wanted until `drained`. The chunk's memory is the caller's again: of what waits a copy is made. */
  putBody(chunk: Buffer): boolean;
  /** The head does not wait for a body that is not there yet. */
  flush(): void;
  /** `trailers` are lines with their CRLF, or empty. */
  putEnd(trailers: string): void;
  /** After this head (a 101) the connection, or the request's part of it, speaks another protocol and is the caller's. */
  becomeTunnel(head: string): Duplex;
  /**
   * Ends the connection in the middle of an answer, so that it cannot pass for a whole one; or, where `trailers` say so to
   * those that read them (gRPC) and an answer has an end of its own (HTTP/2), the answer with these.
   */
  cut(trailers: string): void;
  /** The exchange is over, but for the answer's last bytes. What the client still sends of its request is dropped. */
  finished(): void;
}
