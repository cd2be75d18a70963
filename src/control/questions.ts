// What a heartbeat asks: the settings as questions, in the order in which they are tried. Where a path is given there is one.
// Where none is, nobody should have to read a page on heartbeats before the first request: what torc's own replica answers,
// then the container's own HEALTHCHECK, then the page that every site has; the first that is answered well is the one. Only a
// "no such thing here" leads on to the next: who answers 503 to /heartbeat has been asked the right question.

import { addressInWords } from '../core/host-port.ts';
import type { ProbeResult, Question, Replica } from './driver.ts';

export interface QuestionSettings {
  /** null: to be found out; '': no heartbeats at all. */
  readonly heartbeatPath: string | null;
  readonly heartbeatMode: Exclude<Question['mode'], 'http2'>;
  readonly replicaProtocol: 'http1' | 'h2c';
  readonly heartbeatMethod: Question['method'];
  readonly heartbeatHost: string | null;
  readonly heartbeatPort: number | null;
  readonly heartbeatStatus: Question['statuses'];
}

const OWN_PATH = '/heartbeat';

export function questionsOf(settings: QuestionSettings, hasHealth: boolean): Question[] {
  const { heartbeatPath, heartbeatMode } = settings;
  const question = (mode: Question['mode'], path = ''): Question => ({
    mode,
    path,
    method: settings.heartbeatMethod,
    host: settings.heartbeatHost,
    port: settings.heartbeatPort,
    statuses: settings.heartbeatStatus,
  });
  if (heartbeatMode !== 'http') return [question(heartbeatMode)];
  const http = settings.replicaProtocol === 'h2c' ? 'http2' : 'http';
  if (heartbeatPath !== null) return heartbeatPath === '' ? [] : [question(http, heartbeatPath)];
  const health = hasHealth ? [question('docker')] : [];
  return [question(http, OWN_PATH), ...health, question(http, '/')];
}

/** "GET /heartbeat", and where it was asked. */
export function inWords({ mode, method, path }: Question): string {
  if (mode === 'docker') return "the container's health";
  if (mode === 'grpc') return 'grpc.health.v1.Health/Check';
  if (mode === 'tcp') return 'a connection';
  return `${method} ${path}${mode === 'http2' ? ' (HTTP/2)' : ''}`;
}

export function addressOf({ host, port, tls }: Replica, question: Question): string {
  return addressInWords({ host, port: question.port ?? port, ...(tls && { tls }) });
}

/** It was answered that there is no such thing: not what 408, 425 and 429 say. */
export const isNotThere = ({ got, status }: ProbeResult): boolean =>
  got === 'answer' &&
  ((status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429) || status === 501);
