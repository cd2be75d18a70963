// A tunnel: after a 101 the two sockets speak another protocol (WebSocket or any other), and torc only carries bytes.
// Back-pressure is `pipe`'s; a half-close is passed on as a half-close, because protocols that say "I am done" that way
// still wait for the rest; an error or close of one side ends the other. What came right behind the 101 goes first.

import type { Socket } from 'node:net';

/** Carries bytes both ways until both sides ended; `onEnd` is called once. */
export function tunnel(client: Socket, replica: Socket, rest: Buffer, onEnd: () => void): void {
  if (rest.length > 0) client.write(rest);
  let open = 2;
  const ended = (): void => {
    if (--open > 0) return;
    onEnd();
  };
  carry(client, replica, ended);
  carry(replica, client, ended);
}

function carry(from: Socket, to: Socket, ended: () => void): void {
  from.setTimeout(0);
  from.pipe(to);
  from.on('error', () => to.destroy());
  from.on('close', () => {
    // After a proper end `pipe` has ended the other side; anything else is passed on as a cut.
    if (!from.readableEnded) to.destroy();
    ended();
  });
}
