// Listening sockets on their way from a worker that outlived its primary to a torc that somebody else has started. It could listen
// beside the worker, but whoever waits in a socket, or is half way there, is reset when that is closed (docs/decisions/0029). So
// the worker offers its sockets under a name in the state directory, where only torc's user gets at it. Node hands descriptors
// to parents and children alone, by a pipe of a kind (IPC) that has no public name: this is the one place that asks for it, and
// where it cannot be had, the new torc listens beside.

import { rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { Clock } from '../core/clock.ts';
import type { Handle } from './sockets.ts';

const POLL_MS = 20;

/** A listening socket, and what names its address (sockets.ts). */
export interface Offered {
  readonly place: string;
  readonly handle: object;
}

interface Pipe {
  readonly fd: number;
  onread: (bytes: ArrayBuffer | undefined) => void;
  pendingHandle: Handle | null;
  open(fd: number): number;
  connect(request: object, path: string): number;
  readStart(): number;
  writeUtf8String(request: object, text: string, handle?: object): number;
  close(): void;
}

interface Parts {
  readonly Pipe: new (kind: number) => Pipe;
  readonly PipeConnectWrap: new () => { oncomplete: (status: number) => void };
  readonly WriteWrap: new () => object;
  readonly constants: { readonly IPC: number };
}

function parts(): Parts {
  const { binding } = process as unknown as { binding(name: string): Partial<Parts> };
  return { ...binding('pipe_wrap'), ...binding('stream_wrap') } as Parts;
}

/** Whoever connects to `path` gets all of `sockets`, which are still listened on here. Closing the result ends it. */
export function offerSockets(path: string, sockets: () => readonly Offered[]): Server {
  rmSync(path, { force: true });
  const server = createServer({ pauseOnConnect: true }, socket => {
    try {
      const { fd } = (socket as unknown as { _handle: Pipe })._handle;
      give(fd, sockets());
    } catch {
      // Nothing comes, and that is told by the end.
    }
    // The descriptor is the pipe's too: one of them closes it.
    socket.destroy();
  });
  return server.listen(path);
}

function give(fd: number, sockets: readonly Offered[]): void {
  const { Pipe, WriteWrap, constants } = parts();
  const pipe = new Pipe(constants.IPC);
  pipe.open(fd);
  pipe.writeUtf8String(new WriteWrap(), `${sockets.length}\n`);
  for (const { place, handle } of sockets) pipe.writeUtf8String(new WriteWrap(), `${place}\n`, handle);
}

/** What is offered at `path`, which may be just about to; rejects where it cannot be had within `mostMs`. */
export async function takeSockets(path: string, clock: Clock, mostMs: number): Promise<readonly Offered[]> {
  const deadlineMs = clock.nowMs() + mostMs;
  for (;;) {
    const leftMs = deadlineMs - clock.nowMs();
    if (leftMs <= 0) throw new Error(`${path}: nobody offers anything`);
    const taken = await ask(path, clock, leftMs);
    if (taken !== null) return taken;
    await new Promise<void>(resolve => clock.after(POLL_MS, resolve));
  }
}

/** Null where nobody listens. */
function ask(path: string, clock: Clock, mostMs: number): Promise<readonly Offered[] | null> {
  const { Pipe, PipeConnectWrap, constants } = parts();
  const pipe = new Pipe(constants.IPC);
  const handles: Handle[] = [];
  let text = '';
  const taken = Promise.withResolvers<readonly Offered[] | null>();
  const fail = (why: string): void => taken.reject(new Error(`${path}: ${why}`));
  const timer = clock.after(mostMs, () => fail('no answer'));
  pipe.onread = bytes => {
    if (pipe.pendingHandle) handles.push(pipe.pendingHandle);
    pipe.pendingHandle = null;
    if (bytes !== undefined) {
      text += Buffer.from(bytes).toString();
      return;
    }
    const [count, ...places] = text.trimEnd().split('\n');
    if (handles.length !== Number(count) || places.length !== handles.length) fail('not all came');
    else taken.resolve(handles.map((handle, index) => ({ place: places[index]!, handle })));
  };
  const request = new PipeConnectWrap();
  request.oncomplete = status => (status === 0 ? pipe.readStart() : taken.resolve(null));
  if (pipe.connect(request, path) !== 0) taken.resolve(null);
  return taken.promise
    .catch(error => {
      for (const handle of handles) handle.close();
      throw error;
    })
    .finally(() => {
      timer.cancel();
      pipe.close();
    });
}
