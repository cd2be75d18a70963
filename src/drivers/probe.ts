// One liveness question: a whole HTTP exchange on a connection of its own, under one deadline; or, where that is asked for (a
// program that speaks no HTTP to strangers), the connection alone. A pooled connection would
// answer for a server that accepts nothing new, and a bare connect for one that is paused (both kernels accept for it;
// measured on engines 20.10 and 26.1). The body is read to its end, up to a bound, and thrown away. When the deadline is over
// the socket is looked at once more: after a time without a CPU the timer runs first, and the answer may be there.

import { type ClientRequest, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Probe, ProbeResult, Question } from '../control/driver.ts';
import { isSocketPath } from '../core/host-port.ts';
import type { ReplicaAddress } from '../core/types.ts';
import { answersHttp2 } from './probe-http2.ts';
import { answered, failure, hostFor, LONGEST_BODY_BYTES, late, since, trustFor } from './probe-result.ts';

export const probe: Probe = (replica, question, timeoutMs) => {
  const address = { ...replica, port: question.port ?? replica.port };
  if (question.mode === 'tcp') return connects(address, timeoutMs);
  const ask = question.mode === 'http' ? answers : answersHttp2;
  return ask(address, question, timeoutMs);
};

const answers = (to: ReplicaAddress, question: Question, timeoutMs: number): Promise<ProbeResult> =>
  new Promise<ProbeResult>(resolve => {
    const { method, path } = question;
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
      const end = (): void => done(answered(question, status, startedMs));
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > LONGEST_BODY_BYTES) end();
      });
      response.on('end', end);
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
