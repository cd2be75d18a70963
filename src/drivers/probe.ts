// One liveness question: a whole HTTP exchange on a connection of its own, under one deadline; or, where that is asked for (a
// program that speaks no HTTP to strangers), the connection alone. A pooled connection would
// answer for a server that accepts nothing new, and a bare connect for one that is paused (both kernels accept for it;
// measured on engines 20.10 and 26.1). The body is read to its end, up to a bound, and thrown away. When the deadline is over
// the socket is looked at once more: after a time without a CPU the timer runs first, and the answer may be there.

import { type ClientRequest, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Probe, ProbeResult, Question } from '../control/driver.ts';
import { isSocketPath } from '../core/host-port.ts';
import { isTlsFault, tlsFault, verifying } from '../core/trust.ts';
import type { ReplicaAddress } from '../core/types.ts';

/** A heartbeat's answer is a few bytes; who sends this much is alive, and we stop listening. */
const LONGEST_BODY_BYTES = 64 * 1024;

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOENT: 'there is no such socket',
  EACCES: 'torc may not open the socket: give its user or group the right to write to it',
  ECONNRESET: 'connection closed without an answer',
  EPIPE: 'connection closed without an answer',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'no connection',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name cannot be looked up now',
};

export const probe: Probe = (replica, question, timeoutMs) => {
  const address = { ...replica, port: question.port ?? replica.port };
  return question.mode === 'tcp' ? connects(address, timeoutMs) : answers(address, question, timeoutMs);
};

const answers = (to: ReplicaAddress, question: Question, timeoutMs: number): Promise<ProbeResult> =>
  new Promise<ProbeResult>(resolve => {
    const { method, path, statuses } = question;
    const startedMs = performance.now();
    let asked: ClientRequest | null = null;
    const done = (result: ProbeResult): void => {
      clearTimeout(deadline);
      asked?.destroy();
      resolve(result);
    };
    const failed = (error: NodeJS.ErrnoException): void => done(failure(error, to));
    // An immediate comes after the event loop's next poll, which reads what is there.
    const deadline = setTimeout(() => setImmediate(() => done(late(timeoutMs))), timeoutMs);
    const host = question.host ?? hostFor(to);
    const headers = { 'user-agent': 'torc', ...(host === null ? {} : { host }) };
    const way = isSocketPath(to.host) ? { socketPath: to.host } : { host: to.host, port: to.port };
    try {
      const ask = to.tls ? requestTls : request;
      asked = ask({ ...way, ...trustFor(to), method, path, agent: false, headers });
    } catch (error) {
      failed(error as NodeJS.ErrnoException);
      return;
    }
    asked.on('error', failed);
    asked.on('response', response => {
      const status = response.statusCode ?? 0;
      const answered = (): void =>
        done({
          alive: statuses.some(({ from, to }) => status >= from && status <= to),
          got: 'answer',
          status,
          detail: `${status} in ${since(startedMs)} ms`,
        });
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > LONGEST_BODY_BYTES) answered();
      });
      response.on('end', answered);
      response.on('error', failed);
    });
    // Nobody is asked to speak another protocol, and who does lives.
    asked.on('upgrade', (_response, socket) => {
      socket.destroy();
      done({ alive: false, got: 'answer', status: 101, detail: '101, though no upgrade was asked for' });
    });
    asked.end();
  });

const connects = (to: ReplicaAddress, timeoutMs: number): Promise<ProbeResult> =>
  new Promise<ProbeResult>(resolve => {
    const startedMs = performance.now();
    const { host, port, tls } = to;
    const way = isSocketPath(host) ? { path: host } : { host, port };
    const socket = tls ? connectTls({ ...way, ...trustFor(to) }) : connect(way);
    const done = (result: ProbeResult): void => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(result);
    };
    const deadline = setTimeout(() => setImmediate(() => done(late(timeoutMs))), timeoutMs);
    socket.on('error', error => done(failure(error, to)));
    socket.on(tls ? 'secureConnect' : 'connect', () =>
      done({ alive: true, got: 'answer', status: 0, detail: `connected in ${since(startedMs)} ms` }),
    );
  });

/** Empty where it is plain. */
const trustFor = ({ tls }: ReplicaAddress): ConnectionOptions =>
  tls ? verifying(tls, performance.now()) : {};

/** A program that shows its certificate by a name is asked by it; null: the address, as ever. */
function hostFor({ port, tls }: ReplicaAddress): string | null {
  if (!tls || tls.serverName === '') return null;
  return port === 443 ? tls.serverName : `${tls.serverName}:${port}`;
}

const since = (startedMs: number): number => Math.round(performance.now() - startedMs);

const late = (timeoutMs: number): ProbeResult => ({
  alive: false,
  got: 'nothing',
  status: 0,
  detail: `no answer within ${timeoutMs} ms`,
});

const failure = (error: NodeJS.ErrnoException, { tls }: ReplicaAddress): ProbeResult => {
  const isTls = tls !== undefined && isTlsFault(error);
  return {
    alive: false,
    got: gotOf(error, isTls),
    status: 0,
    detail: isTls ? tlsFault(error) : inWords(error),
  };
};

/** Bytes that are no HTTP, and certificates that are not believed, came from somebody who lives. */
function gotOf({ code = '' }: NodeJS.ErrnoException, isTls: boolean): ProbeResult['got'] {
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return 'refused';
  return code.startsWith('HPE_') || (isTls && code !== 'ECONNRESET') ? 'answer' : 'nothing';
}

function inWords(error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  if (code.startsWith('HPE_')) return `not an HTTP answer (${code})`;
  return words[code] ?? error.message;
}
