// One client connection that asks one thing at a time: the least that HTTP needs, so that the generator's own work is small
// beside what it measures. Answers must have a content-length (all targets' do; verify() looks). A connection that the other
// side closes is opened again by the next request, whose time then includes that.

import { connect, type Socket } from 'node:net';

/** An answer's head beyond this is taken as broken. */
const MOST_HEAD_BYTES = 16_384;

export class Line {
  readonly #host: string;
  readonly #port: number;
  readonly #ended: (line: Line, status: number) => void;
  #socket: Socket | null = null;
  #busy = false;
  #status = 0;
  #head = '';
  /** Body bytes to come; null while the head is not whole. */
  #left: number | null = null;
  #keep = true;

  /** `ended` gets the status, or 0 when the connection broke before the whole answer was there. */
  constructor(url: string, ended: (line: Line, status: number) => void) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
    this.#ended = ended;
  }

  ask(request: string): void {
    this.#busy = true;
    this.#head = '';
    this.#left = null;
    this.#socket ??= this.#open();
    this.#socket.write(request, 'latin1');
  }

  close(): void {
    this.#busy = false;
    this.#socket?.destroy();
    this.#socket = null;
  }

  #open(): Socket {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    // What an error means is said by the 'close' after it.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (this.#busy) this.#end(0);
    });
    return socket;
  }

  #read(chunk: Buffer): void {
    if (!this.#busy) this.#break();
    else if (this.#left === null) this.#readHead(chunk);
    else this.#left -= chunk.length;
    if (this.#left === null) return;
    if (this.#left < 0) this.#break();
    else if (this.#left === 0 && this.#busy) this.#end(this.#status);
  }

  #readHead(chunk: Buffer): void {
    this.#head += chunk.toString('latin1');
    const headEnd = this.#head.indexOf('\r\n\r\n');
    if (headEnd < 0) {
      if (this.#head.length > MOST_HEAD_BYTES) this.#break();
      return;
    }
    const head = this.#head.slice(0, headEnd);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) {
      this.#break();
      return;
    }
    this.#status = Number(head.slice(9, 12));
    this.#keep = !/\r\nconnection: *close/i.test(head);
    this.#left = Number(length) - (this.#head.length - headEnd - 4);
  }

  /** Not HTTP as it should be: the connection is of no more use. */
  #break(): void {
    this.#socket?.destroy();
  }

  #end(status: number): void {
    this.#busy = false;
    if (!this.#keep) this.close();
    this.#ended(this, status);
  }
}
