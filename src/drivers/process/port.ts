// A port for a replica that is about to start. It must be chosen before the program runs, so somebody else can take it in
// between; that start then fails and the supervisor tries another. To make this rare, ports are drawn from below the
// range from which every system hands out ports of outgoing connections (Linux from 32768, others from 49152), and at
// random, so that a dead replica's port is not at once another's.

import { createServer } from 'node:net';
import type { Random } from '../../core/random.ts';

const LOWEST = 20_000;
const COUNT = 10_000;
const ATTEMPTS = 100;

/** A port nobody listens on, not one of `taken`. */
export async function choosePort(host: string, taken: ReadonlySet<number>, random: Random): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = LOWEST + Math.floor(random() * COUNT);
    if (!taken.has(port) && (await isFree(host, port))) return port;
  }
  throw new Error(`no free port for a replica: tried ${ATTEMPTS} from ${LOWEST} up`);
}

const isFree = (host: string, port: number): Promise<boolean> =>
  new Promise(resolve => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });

const IN_USE = /EADDRINUSE|address (is )?already in use|Only one usage of each socket address/i;

/** What a replica printed, and what helps behind it where it wanted a port that another has. */
export const withPortAdvice = (words: string, port: number): string =>
  IN_USE.test(words)
    ? `${words}\ntorc: have it listen on the port that it finds in PORT (${port}; in the command: $PORT), each replica has its own`
    : words;
