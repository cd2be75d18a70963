// Heartbeats in quiet times: the same exchange as probe.ts, but up to thirty of them on one connection, written and read without
// node:http. A thousand replicas are a thousand questions a second, and a connection with a client request each costs half a core.
// Nothing is believed for less: a connection that was there before proves no new one, so whoever is doubted, or has missed a
// beat, is asked by a connection of its own (`isRoutine`), as every thirtieth beat is; meanwhile workers tell of connections
// that they do not get. What is not a plain whole answer of known length (chunks, an upgrade, anything odd) is not judged
// here: probe.ts asks, and goes on to ask that replica.

import { connect, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Probe, ProbeResult, Question, Replica } from '../control/driver.ts';
import { hostPort, isSocketPath } from '../core/host-port.ts';
import type { Random } from '../core/random.ts';
import { probe } from './probe.ts';
import { answered, failure, hostFor, LONGEST_BODY_BYTES, late, trustFor } from './probe-result.ts';

const MOST_ON_ONE = 30;
/** One that nobody asks by any more. */
const IDLE_MS = 15_000;
const LONGEST_HEAD = 16 * 1024;
/** Strict: what node:http would not take as an answer is none here either. */
const HEAD =
  /^HTTP\/1\.1 ([2-5]\d\d)(?: [\t -~\x80-\xff]*)?\r\n(?:[!#-'*+\-.0-9A-Z^-z|~]+:[\t -~\x80-\xff]*\r\n)*$/;
const ODD = /\r\n(?:transfer-encoding|upgrade|content-length:[^\r]*\r\n(?:[^\r]*\r\n)*content-length) *:/i;
const LENGTH = /\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n/i;
const CLOSES = /\r\nconnection:[^\r]*close/i;

/** One that is not plain: to be asked the whole way. */
const ODD_ANSWER = null;

/** Answers to `isRoutine` questions over kept connections, and to all others as `probe` does. */
export function keptProbe(random: Random): Probe {
  /** Gone with the replicas; a connection ends with its replica, or for want of questions. */
  const lines = new WeakMap<Replica, Line>();
  return async (replica, question, timeoutMs, isRoutine = false) => {
    const line = lines.get(replica);
    if (!isRoutine || question.mode !== 'http' || question.method === 'OPTIONS') {
      line?.hangUp();
      return probe(replica, question, timeoutMs);
    }
    if (line?.question === question) return line.ask(timeoutMs);
    line?.hangUp();
    const next = new Line(replica, question, Math.floor(random() * MOST_ON_ONE));
    lines.set(replica, next);
    return next.ask(timeoutMs);
  };
}

class Line {
  readonly question: Question;
  readonly #replica: Replica;
  readonly #request: string;
  #socket: Socket | null = null;
  /** Questions on this connection. */
  #asked: number;
  #isOdd = false;
  #text = '';
  #settle: ((result: ProbeResult | typeof ODD_ANSWER | 'closed') => void) | null = null;
  #error: Error | null = null;
  #startedMs = 0;
  #timeoutMs = 0;

  /** `asked`: where in its thirty it begins, so that those of many replicas do not end together. */
  constructor(replica: Replica, question: Question, asked: number) {
    this.#replica = replica;
    this.question = question;
    this.#request = requestFor(replica, question);
    this.#asked = asked;
  }

  async ask(timeoutMs: number): Promise<ProbeResult> {
    if (this.#isOdd || this.#settle !== null) return probe(this.#replica, this.question, timeoutMs);
    this.#startedMs = performance.now();
    this.#timeoutMs = timeoutMs;
    const wasThere = this.#socket !== null;
    let result = await this.#exchange(timeoutMs);
    if (result === 'closed' && wasThere) {
      // It may have been closed for its age as we asked: that says nothing of the replica.
      result = await this.#exchange(this.#leftMs());
    }
    if (result === 'closed') return failure(this.#error ?? new Error(NO_ANSWER), this.#replica);
    if (result !== ODD_ANSWER) return result;
    this.#isOdd = true;
    return probe(this.#replica, this.question, this.#leftMs());
  }

  #leftMs(): number {
    return Math.max(1, this.#timeoutMs - (performance.now() - this.#startedMs));
  }

  #exchange(leftMs: number): Promise<ProbeResult | typeof ODD_ANSWER | 'closed'> {
    return new Promise(resolve => {
      const settle = (result: ProbeResult | typeof ODD_ANSWER | 'closed'): void => {
        clearTimeout(deadline);
        this.#settle = null;
        this.#text = '';
        this.#asked++;
        const isKept = typeof result === 'object' && result !== null && result.got === 'answer';
        if (!isKept || this.#asked >= MOST_ON_ONE) this.hangUp();
        resolve(result);
      };
      const isLate = (): void => {
        if (this.#settle === settle) settle(late(this.#timeoutMs));
      };
      // An immediate comes after the event loop's next poll, which reads what is there.
      const deadline = setTimeout(() => setImmediate(isLate), leftMs);
      this.#error = null;
      this.#settle = settle;
      this.#socket ??= this.#connect();
      this.#socket.write(this.#request, 'latin1');
    });
  }

  hangUp(): void {
    this.#socket?.destroy();
    this.#socket = null;
    this.#asked = 0;
  }

  #connect(): Socket {
    const { host, tls } = this.#replica;
    const port = this.question.port ?? this.#replica.port;
    const way = isSocketPath(host) ? { path: host } : { host, port };
    const socket = tls
      ? connectTls({ ...way, ...trustFor(this.#replica) })
      : connect({ ...way, onread: onRead(text => this.#read(socket, text)) });
    if (tls) socket.on('data', (chunk: Buffer) => this.#read(socket, chunk.toString('latin1')));
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    // What is kept for the next beat keeps no process alive.
    socket.unref();
    socket.on('error', error => {
      if (socket === this.#socket) this.#error = error;
    });
    socket.on('close', () => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      this.#asked = 0;
      this.#settle?.(this.#text === '' ? 'closed' : ODD_ANSWER);
    });
    return socket;
  }

  #read(socket: Socket, text: string): void {
    if (socket !== this.#socket) return;
    if (this.#settle === null) {
      // Nobody asked.
      this.hangUp();
      return;
    }
    this.#text += text;
    const answer = answerIn(this.#text, this.question.method);
    if (answer === 'more') return;
    if (answer === ODD_ANSWER) this.#settle(ODD_ANSWER);
    else {
      if (answer.closes) this.#asked = MOST_ON_ONE;
      this.#settle(answered(this.question, answer.status, this.#startedMs));
    }
  }
}

const NO_ANSWER = 'connection closed without an answer';

/** One buffer for all: what is read is text before the next read. */
const BUFFER = Buffer.allocUnsafe(LONGEST_BODY_BYTES);
const onRead = (take: (text: string) => void): OnReadOpts => ({
  buffer: BUFFER,
  callback: bytes => {
    take(BUFFER.toString('latin1', 0, bytes));
    return true;
  },
});

/** The answer in what was read, if it is plain and whole. */
function answerIn(
  text: string,
  method: Question['method'],
): { status: number; closes: boolean } | 'more' | typeof ODD_ANSWER {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return text.length > LONGEST_HEAD ? ODD_ANSWER : 'more';
  const head = text.slice(0, end + 2);
  const match = HEAD.exec(head);
  if (match === null || ODD.test(head)) return ODD_ANSWER;
  const status = Number(match[1]);
  const length =
    method === 'HEAD' || status === 204 || status === 304 ? 0 : Number(LENGTH.exec(head)?.[1] ?? Number.NaN);
  const left = length - (text.length - end - 4);
  if (!(length <= LONGEST_BODY_BYTES) || left < 0) return ODD_ANSWER;
  return left > 0 ? 'more' : { status, closes: CLOSES.test(head) };
}

function requestFor(replica: Replica, question: Question): string {
  const { method, path } = question;
  const port = question.port ?? replica.port;
  const standard = replica.tls ? 443 : 80;
  const address = isSocketPath(replica.host) ? 'localhost' : hostPort(replica.host, port);
  const host =
    question.host ?? hostFor({ ...replica, port }) ?? address.replace(new RegExp(`:${standard}$`), '');
  return `${method} ${path} HTTP/1.1\r\nuser-agent: torc\r\nhost: ${host}\r\nconnection: keep-alive\r\n\r\n`;
}
