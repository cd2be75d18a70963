// Is a machine there at all? Every engine of a swarm listens for its neighbours' gossip, so a connection to that port, made or
// refused, says that the machine is on and reached, whatever its containers do: one that only computes is not lost.

import { connect } from 'node:net';

/** TCP 7946: fixed by Docker, and open between all nodes of a swarm. */
export const GOSSIP_PORT = 7946;

/** Never rejects. */
export function answersAt(host: string, port: number, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port, timeout: timeoutMs });
  const end = (answers: boolean): void => {
    socket.destroy();
    resolve(answers);
  };
  socket.on('connect', () => end(true));
  socket.on('timeout', () => end(false));
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED'));
  return promise;
}
