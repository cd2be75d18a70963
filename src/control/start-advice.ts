// Why a replica that starts does not answer, in words that help: what was asked and what came back is in the cause already;
// here is what usually lies behind it and which setting mends it. Pure: what came back and where it listens go in. Most
// first starts fail for one of these few reasons, and "no heartbeat answered" names none of them (basecamp/kamal's issues
// are a list of people who searched for them).

import { hostPort } from '../core/host-port.ts';
import type { Listening, ProbeResult, Question } from './driver.ts';

export interface Case {
  readonly question: Question;
  readonly result: ProbeResult;
  readonly driver: string;
  readonly listening: Listening;
}

export interface Advice {
  /** Empty where what came back says what to do. */
  readonly text: string;
  /** Nothing seems to be wrong: it has only not come so far yet. */
  readonly isWaiting: boolean;
}

/** What gRPC servers answer to a GET. */
const NO_PAGES: readonly number[] = [404, 405, 415, 501];

export function adviceFor(found: Case): Advice {
  const { question, result } = found;
  if (result.isTlsFault === true) return { text: '', isWaiting: false };
  if (question.mode === 'docker') return dockerAdvice(result);
  if (question.mode === 'grpc' && result.status === 501)
    return {
      text: 'it has no grpc.health.v1.Health: register the health service of its gRPC library, or TORC_HEARTBEAT_MODE=tcp',
      isWaiting: false,
    };
  if (question.mode === 'http2' && NO_PAGES.includes(result.status))
    return {
      text: 'a gRPC program has no pages: TORC_HEARTBEAT_MODE=grpc asks its health service; else set TORC_HEARTBEAT_PATH to a page that it has',
      isWaiting: false,
    };
  if (result.status > 0) return { text: statusAdvice(result.status), isWaiting: false };
  if (result.got === 'answer' && question.mode !== 'http')
    return { text: 'it does not speak HTTP/2 there: TORC_REPLICA_PROTOCOL=http1', isWaiting: false };
  if (result.got === 'answer')
    return {
      text: 'it speaks something else than HTTP there (TLS, say): TORC_HEARTBEAT_MODE=tcp asks for a connection alone',
      isWaiting: false,
    };
  // Where ports are published the engine's proxy accepts for everybody, and closes when nobody listens inside.
  if (result.got === 'refused' || result.detail.startsWith('connection closed')) return portAdvice(found);
  if (result.detail.startsWith('no answer'))
    return {
      text: 'it accepts connections, but does not answer yet; where it is always slow: TORC_HEARTBEAT_TIMEOUT_MS',
      isWaiting: false,
    };
  const how = found.driver === 'docker' ? ': TORC_DOCKER_REACH says how containers are reached' : '';
  return { text: `its address cannot be reached from here${how}`, isWaiting: false };
}

function dockerAdvice({ status, got }: ProbeResult): Advice {
  if (status > 0)
    return {
      text: 'give the image or the service a HEALTHCHECK, or unset TORC_HEARTBEAT_MODE',
      isWaiting: false,
    };
  return got === 'answer'
    ? { text: 'its own HEALTHCHECK fails: docker inspect shows what it printed', isWaiting: false }
    : {
        text: 'its HEALTHCHECK has not decided yet, the first is one interval (30 s by default) after the start; TORC_HEARTBEAT_PATH is asked sooner',
        isWaiting: true,
      };
}

function statusAdvice(status: number): string {
  switch (status) {
    case 400:
    case 421:
      return 'it may answer only its own host name: TORC_HEARTBEAT_HOST';
    case 401:
    case 403:
      return `it asks who is there: set TORC_HEARTBEAT_PATH to a page for all, or TORC_HEARTBEAT_STATUS=200-399,${status}`;
    case 404:
    case 410:
      return 'set TORC_HEARTBEAT_PATH to a page that it has, or TORC_HEARTBEAT_MODE=tcp where it has none';
    case 405:
    case 501:
      return 'TORC_HEARTBEAT_METHOD may be another one';
    case 426:
      return 'it wants another protocol there: TORC_HEARTBEAT_MODE=tcp asks for a connection alone';
    default:
      return status >= 500
        ? 'it says itself that it is not well; its own output may say why'
        : `where that is a sign of life: TORC_HEARTBEAT_STATUS=200-399,${status}`;
  }
}

const inside = (driver: string): string => (driver === 'docker' ? ' (inside)' : '');
const isLoopback = (host: string): boolean => host === '::1' || host.startsWith('127.');
const shown = ({ host, port }: { host: string; port: number }): string =>
  host === '' ? `${port}` : hostPort(host, port);

function portAdvice({ driver, question, listening }: Case): Advice {
  const { sockets, isDeclared } = listening;
  const port = question.port ?? listening.port;
  const setting = question.port !== null ? 'TORC_HEARTBEAT_PORT' : 'TORC_REPLICA_PORT';
  if (sockets === null) return unknownAdvice(driver, port, setting);
  if (sockets.length === 0) return { text: 'it listens nowhere yet', isWaiting: true };
  const list = [...new Set(sockets.map(shown))].join(', ');
  if (isDeclared)
    return { text: `its image exposes ${list}: ${setting}=${sockets[0]!.port}`, isWaiting: false };
  const same = sockets.filter(socket => socket.port === port);
  if (same.length > 0) {
    const isOpen = driver === 'docker' ? same.some(({ host }) => !isLoopback(host)) : same.some(isReachable);
    if (isOpen) return { text: `it listens on ${list} by now`, isWaiting: true };
    const where = driver === 'docker' ? '0.0.0.0' : '127.0.0.1 (HOST in its environment)';
    return {
      text: `it listens on ${same.map(shown).join(', ')} only${inside(driver)}: have it listen on ${where}`,
      isWaiting: false,
    };
  }
  const other = (sockets.find(({ host }) => !isLoopback(host)) ?? sockets[0]!).port;
  const how = driver === 'docker' || question.port !== null ? `: ${setting}=${other}` : notItsPort(port);
  return { text: `it listens on ${list}${inside(driver)}, not on ${port}${how}`, isWaiting: false };
}

/** A child process is asked on 127.0.0.1. */
const isReachable = ({ host }: { host: string }): boolean =>
  host === '0.0.0.0' || host === '::' || host.startsWith('127.0.0.1');

const notItsPort = (port: number): string =>
  `: have it listen on the port that it finds in PORT (${port}), each replica has its own`;

function unknownAdvice(driver: string, port: number, setting: string): Advice {
  if (driver === 'process')
    return {
      text: `it does not listen on 127.0.0.1 yet, or on another port than ${port}, which it finds in PORT`,
      isWaiting: false,
    };
  if (driver === 'static') return { text: `nobody listens there: TORC_UPSTREAMS`, isWaiting: false };
  return {
    text: `it listens on 127.0.0.1 only${inside(driver)}, or on another port than ${port}: ${setting}`,
    isWaiting: false,
  };
}

const LONGEST_SAID = 400;

/** The last that it printed, with torc's advice behind it where there is one: a cause is seldom in an exit code. */
export function lastSaid(output: string, cause: string): string {
  const lines = output.split('\n').filter(line => line.trim() !== '');
  const said = lines.slice(lines.at(-1)?.startsWith('torc: ') ? -2 : -1).join('; ');
  return said === '' || cause.includes(said) ? '' : `; it said: ${said.slice(-LONGEST_SAID)}`;
}
