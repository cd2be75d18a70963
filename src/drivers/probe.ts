// One liveness question: a whole HTTP exchange on a connection of its own, under one deadline. A pooled connection would
// answer for a server that accepts nothing new, and a bare connect for one that is paused (both kernels accept for it;
// measured on engines 20.10 and 26.1). The body is read to its end, up to a bound, and thrown away. When the deadline is over
// the socket is looked at once more: after a time without a CPU the timer runs first, and the answer may be there.

import { type ClientRequest, request } from 'node:http';
import type { Probe, ProbeResult } from '../control/driver.ts';

/** A heartbeat's answer is a few bytes; who sends this much is alive, and we stop listening. */
const LONGEST_BODY_BYTES = 64 * 1024;

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed without an answer',
  EPIPE: 'connection closed without an answer',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'no connection',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name cannot be looked up now',
};

export const probe: Probe = (host, port, path, timeoutMs) =>
  new Promise<ProbeResult>(resolve => {
    const startedMs = performance.now();
    let asked: ClientRequest | null = null;
    const done = (alive: boolean, got: ProbeResult['got'], detail: string): void => {
      clearTimeout(deadline);
      asked?.destroy();
      resolve({ alive, got, detail });
    };
    const failed = (error: NodeJS.ErrnoException): void => done(false, gotOf(error), inWords(error));
    const late = (): void => done(false, 'nothing', `no answer within ${timeoutMs} ms`);
    // An immediate comes after the event loop's next poll, which reads what is there.
    const deadline = setTimeout(() => setImmediate(late), timeoutMs);
    try {
      asked = request({ host, port, path, agent: false, headers: { 'user-agent': 'torc' } });
    } catch (error) {
      failed(error as NodeJS.ErrnoException);
      return;
    }
    asked.on('error', failed);
    asked.on('response', response => {
      const status = response.statusCode ?? 0;
      const answered = (): void =>
        done(
          status >= 200 && status < 300,
          'answer',
          `${status} in ${Math.round(performance.now() - startedMs)} ms`,
        );
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > LONGEST_BODY_BYTES) answered();
      });
      response.on('end', answered);
      response.on('error', failed);
    });
    asked.end();
  });

/** Bytes that are no HTTP came from somebody who lives. */
function gotOf({ code = '' }: NodeJS.ErrnoException): ProbeResult['got'] {
  if (code === 'ECONNREFUSED') return 'refused';
  return code.startsWith('HPE_') ? 'answer' : 'nothing';
}

function inWords(error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  if (code.startsWith('HPE_')) return `not an HTTP answer (${code})`;
  return words[code] ?? error.message;
}
