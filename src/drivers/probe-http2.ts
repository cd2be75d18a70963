// The liveness question over HTTP/2, for replicas that speak nothing else: a whole exchange on a connection of its own, as
// probe.ts asks it; or gRPC's own health check, grpc.health.v1.Health/Check for the server as a whole
// (github.com/grpc/grpc/blob/master/doc/health-checking.md). Its question is an empty message and its answer one number, so
// no compiler of protocol buffers is asked.

import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectPlain } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ProbeResult, Question } from '../control/driver.ts';
import { hostPort, isSocketPath } from '../core/host-port.ts';
import type { ReplicaAddress } from '../core/types.ts';
import { answered, failure, hostFor, LONGEST_BODY_BYTES, late, since, trustFor } from './probe-result.ts';

const CHECK = '/grpc.health.v1.Health/Check';
/** Not compressed, no bytes: a HealthCheckRequest without a service. */
const EMPTY_MESSAGE = Buffer.alloc(5);
/** HealthCheckResponse.ServingStatus, and what it is in HTTP's words. */
const SERVING = 1;
const NOT_SERVING_STATUS = 503;
/** grpc-status: nobody knows this service. */
const UNIMPLEMENTED = 12;
const UNIMPLEMENTED_STATUS = 501;

export const answersHttp2 = (
  to: ReplicaAddress,
  question: Question,
  timeoutMs: number,
): Promise<ProbeResult> =>
  new Promise<ProbeResult>(resolve => {
    const startedMs = performance.now();
    const session = open(to);
    const done = (result: ProbeResult): void => {
      clearTimeout(deadline);
      session.destroy();
      resolve(result);
    };
    const failed = (error: NodeJS.ErrnoException): void => done(failure(error, to));
    // An immediate comes after the event loop's next poll, which reads what is there.
    const deadline = setTimeout(() => setImmediate(() => done(late(timeoutMs))), timeoutMs);
    session.on('error', failed);
    session.on('close', () => failed(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    const isGrpc = question.mode === 'grpc';
    const stream = ask(session, to, question);
    let status = 0;
    let grpcStatus: unknown;
    let isEnded = false;
    const body: Buffer[] = [];
    let bytes = 0;
    const end = (): void => {
      if (isEnded) return;
      isEnded = true;
      done(
        isGrpc
          ? checked(status, grpcStatus, Buffer.concat(body), startedMs)
          : answered(question, status, startedMs),
      );
    };
    stream.on('response', headers => {
      status = headers[':status'] ?? 0;
      grpcStatus = headers['grpc-status'];
    });
    stream.on('trailers', trailers => {
      grpcStatus = trailers['grpc-status'];
    });
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > LONGEST_BODY_BYTES) end();
      else body.push(chunk);
    });
    stream.on('end', () => {
      if (status > 0) end();
    });
    // What breaks the connection is told by the session.
    stream.on('error', error => setImmediate(() => failed(error)));
  });

function open(to: ReplicaAddress): ClientHttp2Session {
  const { host, port, tls } = to;
  const way = isSocketPath(host) ? { path: host } : { host, port };
  const authority = isSocketPath(host) ? 'localhost' : hostPort(host, port);
  return connect(`${tls ? 'https' : 'http'}://${authority}`, {
    createConnection: () =>
      tls ? connectTls({ ...way, ...trustFor(to), ALPNProtocols: ['h2'] }) : connectPlain(way),
    settings: { enablePush: false },
  });
}

function ask(session: ClientHttp2Session, to: ReplicaAddress, question: Question): ClientHttp2Stream {
  const host = question.host ?? hostFor(to);
  const fields = { 'user-agent': 'torc', ...(host === null ? {} : { ':authority': host }) };
  if (question.mode !== 'grpc')
    return session.request(
      { ...fields, ':method': question.method, ':path': question.path },
      { endStream: true },
    );
  const call = { ':method': 'POST', ':path': CHECK, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ...fields, ...call });
  stream.end(EMPTY_MESSAGE);
  return stream;
}

/** `body`: a frame of gRPC around a HealthCheckResponse, whose one field is an enum (08 01). */
function checked(status: number, grpcStatus: unknown, body: Buffer, startedMs: number): ProbeResult {
  const took = `in ${since(startedMs)} ms`;
  if (status !== 200 || grpcStatus === undefined)
    return { alive: false, got: 'answer', status, detail: `${status} without a grpc-status ${took}` };
  if (grpcStatus !== '0') {
    const isUnknown = Number(grpcStatus) === UNIMPLEMENTED;
    return {
      alive: false,
      got: 'answer',
      status: isUnknown ? UNIMPLEMENTED_STATUS : NOT_SERVING_STATUS,
      detail: `grpc-status ${grpcStatus} ${took}`,
    };
  }
  const alive = body.length >= 7 && body[5] === 8 && body[6] === SERVING;
  return {
    alive,
    got: 'answer',
    status: alive ? status : NOT_SERVING_STATUS,
    detail: `${alive ? 'SERVING' : 'not SERVING'} ${took}`,
  };
}
