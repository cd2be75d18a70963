// The replicas behind every target: servers in one process, answering a body of a fixed size as cheaply as Node can, so that it
// is the balancer that is busy and not they. Plain requests are read from the socket here; what has its body in chunks, or
// anything else that is not plain, is node:http's. A POST is answered when all of it is there, with its size in
// `x-received-bytes`, so that a target that loses some is found out. Run as: node origin.ts BYTES COUNT; prints its
// ports as JSON. With an IPC channel: a number that it is sent is the new body size, which it sends back when it is in
// force, and the end of the channel is its end.

import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { writeText } from '../../src/core/write-text.ts';
import type { ClientSocket, RawLane } from '../../src/front/client.ts';
import { startReading, stopReading } from '../../src/front/read-buffer.ts';

interface Answer {
  readonly head: string;
  readonly body: string | Buffer;
}

const HEAD_END = '\r\n\r\n';
const NOT_PLAIN = /\r\n(?:transfer-encoding|upgrade|expect|connection:[ \t]*close)/i;
const LENGTH = /\r\ncontent-length:[ \t]*(\d+)/i;

const count = Number(process.argv[3] ?? 3);
const slots = Array.from({ length: count }, (_, i) => i + 1);
let answers = answersOf(Number(process.argv[2] ?? 56));

function answersOf(bytes: number): Answer[] {
  return slots.map(slot => {
    const small = JSON.stringify({ message: `Hello from Server: ${slot}`, status: 'Successful' });
    // A name of several digits is longer than the smallest of sizes.
    const length = Math.max(bytes, small.length);
    return {
      head: `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: ${new Date().toUTCString()}\r\nContent-Length: ${length}\r\n`,
      body: bytes <= 1024 ? small.padEnd(length) : Buffer.alloc(bytes, small.padEnd(64)),
    };
  });
}

process.on('message', bytes => {
  answers = answersOf(Number(bytes));
  process.send?.(bytes);
});
process.on('disconnect', () => process.exit());

/** One connection, as long as all that comes is plain. */
class Connection {
  readonly #slot: number;
  readonly #socket: ClientSocket;
  readonly #others: Server;
  #rest: Buffer | null = null;
  /** Of the body that is being read; -1 while none is. */
  #left = -1;
  #length = 0;

  constructor(slot: number, socket: ClientSocket, others: Server) {
    this.#slot = slot;
    this.#socket = socket;
    this.#others = others;
    // Read as torc's raw lane is: of all that a lane has, its reader calls this one.
    socket.express = this as unknown as RawLane;
    startReading(socket);
    socket.on('error', () => socket.destroy());
  }

  received(chunk: Buffer): void {
    let bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = null;
    while (bytes.length > 0) {
      if (this.#left === -1 && !this.#readHead(bytes)) return;
      const at = Math.min(this.#left, bytes.length);
      this.#left -= at;
      bytes = bytes.subarray(at);
      if (this.#left > 0) return;
      this.#answer();
    }
  }

  /** False where there is none yet, or it is not for here. Else the head counts as the first of the body. */
  #readHead(bytes: Buffer): boolean {
    const end = bytes.indexOf(HEAD_END);
    if (end === -1) {
      this.#rest = Buffer.from(bytes);
      return false;
    }
    const head = bytes.toString('latin1', 0, end);
    if (NOT_PLAIN.test(head)) {
      this.#socket.express = null;
      stopReading(this.#socket);
      this.#others.emit('connection', this.#socket);
      this.#socket.emit('data', Buffer.from(bytes));
      return false;
    }
    this.#length = head.startsWith('GET') ? 0 : Number(LENGTH.exec(head)?.[1] ?? 0);
    this.#left = end + HEAD_END.length + this.#length;
    return true;
  }

  #answer(): void {
    this.#left = -1;
    const { head, body } = answers[this.#slot - 1]!;
    const received = this.#length === 0 ? '' : `x-received-bytes: ${this.#length}\r\n`;
    if (typeof body === 'string') {
      writeText(this.#socket, `${head}${received}\r\n${body}`);
      return;
    }
    this.#socket.cork();
    this.#socket.write(`${head}${received}\r\n`, 'latin1');
    this.#socket.write(body);
    this.#socket.uncork();
  }
}

const ports: number[] = [];
for (const slot of slots) {
  const others = createHttpServer({ keepAliveTimeout: 75_000 }, (request, response) => {
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    request.on('end', () => {
      const { body } = answers[slot - 1]!;
      response.setHeader('content-type', 'application/json');
      response.setHeader('content-length', body.length);
      if (received > 0) response.setHeader('x-received-bytes', received);
      response.end(body);
    });
  });
  const server = createServer({ noDelay: true }, socket => new Connection(slot, socket, others));
  server.listen(0, '127.0.0.1', 4096);
  await once(server, 'listening');
  const address = server.address();
  if (address !== null && typeof address === 'object') ports.push(address.port);
}
process.stdout.write(`${JSON.stringify(ports)}\n`);
