// What came of a liveness question, whatever was spoken: in time or not, well or not, and in words that help; and how a
// replica is reached for one. Shared by probe.ts and probe-http2.ts, which ask.

import type { ConnectionOptions } from 'node:tls';
import type { ProbeResult, Question } from '../control/driver.ts';
import { isTlsFault, tlsFault, verifying } from '../core/trust.ts';
import type { ReplicaAddress } from '../core/types.ts';

/** A heartbeat's answer is a few bytes; who sends this much is alive, and we stop listening. */
export const LONGEST_BODY_BYTES = 64 * 1024;

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

/** Empty where it is plain. */
export const trustFor = ({ tls }: ReplicaAddress): ConnectionOptions =>
  tls ? verifying(tls, performance.now()) : {};

/** A program that shows its certificate by a name is asked by it; null: the address, as ever. */
export function hostFor({ port, tls }: ReplicaAddress): string | null {
  if (!tls || tls.serverName === '') return null;
  return port === 443 ? tls.serverName : `${tls.serverName}:${port}`;
}

export const since = (startedMs: number): number => Math.round(performance.now() - startedMs);

export const late = (timeoutMs: number): ProbeResult => ({
  alive: false,
  got: 'nothing',
  status: 0,
  detail: `no answer within ${timeoutMs} ms`,
});

export const failure = (error: NodeJS.ErrnoException, { tls }: ReplicaAddress): ProbeResult => {
  const isTls = tls !== undefined && isTlsFault(error);
  return {
    alive: false,
    got: gotOf(error, isTls),
    status: 0,
    detail: isTls ? tlsFault(error) : inWords(error),
    ...(isTls ? { isTlsFault: true } : {}),
  };
};

/** Bytes that are no HTTP, and certificates that are not believed, came from somebody who lives. */
function gotOf({ code = '' }: NodeJS.ErrnoException, isTls: boolean): ProbeResult['got'] {
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return 'refused';
  return code.startsWith('HPE_') || code.startsWith('ERR_HTTP2_') || (isTls && code !== 'ECONNRESET')
    ? 'answer'
    : 'nothing';
}

function inWords(error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  if (code.startsWith('HPE_')) return `not an HTTP answer (${code})`;
  if (code.startsWith('ERR_HTTP2_')) return `not an HTTP/2 answer (${error.message})`;
  return words[code] ?? error.message;
}

/** A whole answer with this status. */
export const answered = ({ statuses }: Question, status: number, startedMs: number): ProbeResult => ({
  alive: statuses.some(({ from, to }) => status >= from && status <= to),
  got: 'answer',
  status,
  detail: `${status} in ${since(startedMs)} ms`,
});
