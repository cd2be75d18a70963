// A replica that writes down all it was sent, reads it with the strict reader alone, and answers in order as mutate.ts says.
// Which stream a request belongs to is told by torc's own X-Forwarded-For: every stream comes from an address of its own
// (127.0.0.0/8 is all loopback on Linux), so no byte of the client's has to be believed for it.

import { createServer, type Socket } from 'node:net';
import { makeReply, type Reply, type Stream } from './mutate.ts';
import type { Violation } from './oracle.ts';
import { type Message, readRequest, valuesOf } from './strict.ts';

/** One request as it came to the replica, and what was answered. */
export interface Seen {
  request: Message;
  sent: string;
  ended: 'no' | 'end' | 'reset';
  /** Those that came in one piece, itself among them: with TORC_PIPELINING torc lets requests share a connection. */
  together: readonly Seen[];
  /** The last ones of its connection before it, until it is judged: an answer too much is seen by the next one's client. */
  before: readonly Seen[];
}

/** The last ones of a connection that are remembered. */
const MOST_BEFORE = 16;

export interface RecordingOrigin {
  readonly port: number;
  readonly faults: Violation[];
  close(): void;
}

export interface Streams {
  /** Null for an address that no stream has. */
  of(address: string): { readonly stream: Stream; readonly seen: Seen[] } | null;
}

export function recordingOrigin(seed: number, streams: Streams): Promise<RecordingOrigin> {
  const sockets = new Set<Socket>();
  const faults: Violation[] = [];
  const server = createServer({ noDelay: true, allowHalfOpen: true }, socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    record(seed, streams, socket, (rule, bytes) => {
      faults.push({ rule, shown: JSON.stringify(bytes.slice(0, 2000)) });
      socket.destroy();
    });
  });
  return new Promise(resolve =>
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      const close = (): void => {
        for (const socket of sockets) socket.destroy();
        server.close();
      };
      resolve({ port, faults, close });
    }),
  );
}

/** One connection: all of its bytes are requests, one behind the other, and only the last may be cut. */
function record(
  seed: number,
  streams: Streams,
  socket: Socket,
  fault: (rule: string, bytes: string) => void,
): void {
  let pending = '';
  let current: { seen: Seen; reply: Reply } | null = null;
  let before: readonly Seen[] = [];
  let together: Seen[] = [];
  let isAhead = false;
  let answers = Promise.resolve();
  const answerInTurn = ({ seen, reply }: { seen: Seen; reply: Reply }): void => {
    answers = answers.then(() => answer(socket, seen, reply));
  };
  socket.on('end', () => {
    if (pending !== '' && current === null) fault('a head at the replica that ends half-way', pending);
    socket.end();
  });
  socket.on('data', chunk => {
    pending += chunk.toString('latin1');
    while (pending !== '') {
      const request = readRequest(pending, 0, 'proxy');
      if (request.kind === 'broken') return fault(`${request.why} at the replica`, pending);
      if (request.head === null) return;
      if (current === null) {
        const owner = streams.of(valuesOf(request.head, 'x-forwarded-for').at(-1) ?? '');
        if (owner === null) return fault("nobody's request at the replica", pending);
        const { target } = request.head;
        const attempt = owner.seen.filter(({ request: { head } }) => head!.target === target).length;
        const id = `id-${owner.stream.number}-${owner.seen.length}`;
        current = {
          seen: { request, sent: '', ended: 'no', together, before },
          reply: makeReply(seed, owner.stream, request.head, attempt, id),
        };
        owner.seen.push(current.seen);
        together.push(current.seen);
        before = [...before.slice(1 - MOST_BEFORE), current.seen];
        if (current.reply.early) answerInTurn(current);
        isAhead = current.reply.early && request.kind === 'cut';
      }
      current.seen.request = request;
      if (request.kind === 'cut') return;
      pending = pending.slice(request.end);
      if (!current.reply.early) answerInTurn(current);
      // Behind an answer that was said before its request was whole may come who waited for it, in one piece with the rest of that.
      if (pending === '' || isAhead) together = [];
      current = null;
    }
  });
}

async function answer(socket: Socket, seen: Seen, reply: Reply): Promise<void> {
  for (const [index, text] of reply.writes.entries()) {
    if (index > 0) await new Promise(resolve => setTimeout(resolve, reply.paceMs));
    if (!socket.writable) return;
    seen.sent += text;
    socket.write(text, 'latin1');
  }
  if (reply.ending === 'keep') return;
  seen.ended = reply.ending;
  if (reply.ending === 'end') socket.end();
  else socket.resetAndDestroy();
}
