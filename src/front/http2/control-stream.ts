// A control request that came as a stream of HTTP/2, and its answer, in the shape that the relay takes (front/control.ts). Its
// body waits, within the stream's window, until the relay asks for it; of an answer that its reader does not take the relay
// sees how much waits, and ends it.

import { EventEmitter } from 'node:events';
import type { ControlRequest, ControlResponse } from '../control.ts';
import { CANCEL } from './frames.ts';
import type { Http2Head } from './request-head.ts';
import { Stream, type StreamPort } from './stream.ts';

export class ControlStream extends Stream implements ControlRequest, ControlResponse {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: { readonly expect?: string };
  readonly httpVersionMinor = 1;
  readonly socket = null;
  shouldKeepAlive = true;
  headersSent = false;
  readonly isAtWork = true;
  readonly #events = new EventEmitter();

  constructor(port: StreamPort, id: number, isEnded: boolean, head: Http2Head) {
    super(port, id, isEnded);
    this.method = head.method;
    this.url = head.target;
    this.rawHeaders = head.fields;
    this.headers = head.expectsContinue ? { expect: '100-continue' } : {};
    this.pause();
  }

  get isOwed(): boolean {
    return !this.isLocalEnded;
  }

  get complete(): boolean {
    return this.isComplete;
  }

  // ---- the request

  protected onData(chunk: Buffer): void {
    this.#events.emit('data', Buffer.from(chunk));
  }

  protected onEnd(): void {
    this.#events.emit('end');
  }

  on(event: string, listener: (chunk: Buffer) => void): void {
    this.#events.on(event, listener);
    // Its end may follow at once, and somebody is about to listen to that too.
    if (event === 'data') process.nextTick(() => this.resume());
  }

  // ---- the answer

  get destroyed(): boolean {
    return this.isClosed;
  }

  get writableLength(): number {
    return this.isClosed ? 0 : this.unsentBytes;
  }

  writeContinue(): void {
    this.sendHead('HTTP/1.1 100\r\n', '', false);
  }

  writeHead(status: number, headers: Readonly<Record<string, string | number>>): void {
    let head = `HTTP/1.1 ${status}\r\n`;
    for (const name of Object.keys(headers)) head += `${name}: ${headers[name]}\r\n`;
    this.headersSent = true;
    this.sendHead(head, '', false);
  }

  write(chunk: string): boolean {
    return this.method === 'HEAD' || this.sendData(Buffer.from(chunk));
  }

  end(chunk = ''): void {
    if (!this.headersSent) this.writeHead(200, {});
    if (chunk !== '') this.write(chunk);
    this.sendEnd('');
  }

  destroy(): void {
    this.reset(CANCEL);
  }

  once(event: string, listener: () => void): void {
    this.#events.once(event, listener);
  }

  listenerCount(event: string): number {
    return this.#events.listenerCount(event);
  }

  protected onDrain(): void {
    this.#events.emit('drain');
  }

  protected onGone(): void {}

  protected override onClosed(): void {
    process.nextTick(() => this.#events.emit('close'));
  }
}
