// Runs streams through a torc, many at a time, and has each judged. Judging waits until a stream is long over, so that
// a request that was smuggled past its end is still counted against it.

import { connect } from 'node:net';
import { makeStream, type Stream } from './mutate.ts';
import { type Evidence, judge, readAnswers, type Verdict } from './oracle.ts';
import { type RecordingOrigin, recordingOrigin, type Seen } from './origin.ts';
import { readRequests } from './strict.ts';

/** Streams at once. */
const LANES = 32;
/** Streams that are over and wait for their judgement, and for how long at least: torc still serves what a client pipelined before it left. */
const PATIENCE = 400;
const PATIENCE_MS = 5_000;
/** Far more than all of torc's own timeouts together, as the tests set them. */
const HUNG_MS = 10_000;
/** Kinds of failures that are told apart; of each the shortest streams are kept. */
const MAX_RULES = 20;
const MAX_EXAMPLES = 2;

export interface Totals {
  streams: number;
  bytes: number;
  requests: number;
  atReplicas: number;
  forwarded: number;
  cut: number;
  /** Whole requests that got no answer at all: behind an error, or the client was gone. */
  unanswered: number;
  overtaken: number;
  /** Requests that came to a replica behind another, before that was answered. */
  shared: number;
  own: Record<number, number>;
}

export interface Failure {
  times: number;
  /** The shortest streams that show it, shortest first. */
  examples: { readonly bytes: number; readonly text: string }[];
}

interface Run {
  readonly stream: Stream;
  readonly seen: Seen[];
  received: string;
  outcome: Evidence['outcome'];
}

export class Fuzzer {
  readonly totals: Totals = {
    streams: 0,
    bytes: 0,
    requests: 0,
    atReplicas: 0,
    forwarded: 0,
    cut: 0,
    unanswered: 0,
    overtaken: 0,
    shared: 0,
    own: {},
  };
  /** By the rule that was broken. */
  readonly failures = new Map<string, Failure>();
  readonly origins: RecordingOrigin[] = [];
  readonly #seed: number;
  readonly #runs = new Map<string, Run>();
  readonly #over: { readonly address: string; readonly sinceMs: number }[] = [];
  #next: number;

  constructor(seed: number, first = 0) {
    this.#seed = seed;
    this.#next = first;
  }

  async openOrigins(count: number): Promise<void> {
    const streams = { of: (address: string) => this.#runs.get(address) ?? null };
    for (let index = 0; index < count; index++) this.origins.push(await recordingOrigin(this.#seed, streams));
  }

  /** Until `more` says no, or too much has failed. */
  async run(port: number, more: (streams: number) => boolean): Promise<void> {
    const { totals } = this;
    const lane = async (): Promise<void> => {
      while (more(totals.streams) && this.failures.size < MAX_RULES) {
        totals.streams++;
        await this.#one(port, makeStream(this.#seed, this.#next++));
        const longAgoMs = performance.now() - PATIENCE_MS;
        while (this.#over.length > PATIENCE && this.#over[0]!.sinceMs < longAgoMs)
          this.#judge(this.#over.shift()!.address);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    while (this.#over.length > 0) this.#judge(this.#over.shift()!.address);
    for (const origin of this.origins) {
      for (const { rule, shown } of origin.faults.splice(0)) this.#fail(rule, shown.length, shown);
    }
  }

  close(): void {
    for (const origin of this.origins) origin.close();
  }

  async #one(port: number, stream: Stream): Promise<void> {
    const address = addressOf(stream.number);
    const run: Run = { stream, seen: [], received: '', outcome: 'hung' };
    this.#runs.set(address, run);
    await send(port, address, run);
    this.#over.push({ address, sinceMs: performance.now() });
  }

  #judge(address: string): void {
    const run = this.#runs.get(address)!;
    this.#runs.delete(address);
    const verdict = judge(run);
    this.#count(run, verdict);
    for (const { rule } of verdict.violations)
      this.#fail(rule, run.stream.bytes.length, describe(this.#seed, run, verdict));
    for (const one of run.seen) one.before = [];
  }

  #fail(rule: string, bytes: number, text: string): void {
    const failure = this.failures.get(rule) ?? { times: 0, examples: [] };
    this.failures.set(rule, failure);
    failure.times++;
    failure.examples.push({ bytes, text });
    failure.examples.sort((a, b) => a.bytes - b.bytes).splice(MAX_EXAMPLES);
  }

  #count({ stream, seen }: Run, verdict: Verdict): void {
    const { totals } = this;
    totals.bytes += stream.bytes.length;
    totals.requests += verdict.requests;
    totals.atReplicas += seen.length;
    totals.forwarded += verdict.forwarded;
    totals.cut += verdict.cut;
    totals.unanswered += verdict.unanswered;
    totals.overtaken += verdict.overtaken;
    totals.shared += seen.filter(one => one.together[0] !== one).length;
    for (const status of verdict.own) totals.own[status] = (totals.own[status] ?? 0) + 1;
  }
}

/** 127.1.1.1 and so on: 15 million before one comes twice. */
const addressOf = (number: number): string =>
  `127.${1 + (Math.floor(number / 64516) % 250)}.${1 + (Math.floor(number / 254) % 254)}.${1 + (number % 254)}`;

function send(port: number, localAddress: string, run: Run): Promise<void> {
  const { stream } = run;
  const requests = readRequests(stream.bytes);
  const mayEnd = requests.every(({ kind }) => kind === 'whole');
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true, allowHalfOpen: true });
    const timer = setTimeout(() => finish('hung'), HUNG_MS);
    let allSent = false;
    const finish = (outcome: Evidence['outcome']): void => {
      if (run.outcome !== 'hung') return;
      run.outcome = outcome;
      clearTimeout(timer);
      socket.destroy();
      resolve();
    };
    const look = (): void => {
      if (!allSent || !mayEnd || stream.ending !== 'wait') return;
      const { answers } = readAnswers(run.received, requests, false);
      if (answers.length >= requests.length && answers.every(({ kind }) => kind === 'whole'))
        finish('answered');
    };
    socket.on('data', chunk => {
      run.received += chunk.toString('latin1');
      look();
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      finish(error.syscall === 'connect' ? 'refused' : 'closed'),
    );
    socket.on('end', () => finish('closed'));
    socket.on('close', () => finish('closed'));
    socket.on('connect', async () => {
      let at = 0;
      for (const cut of [...stream.cuts, stream.bytes.length]) {
        if (at > 0)
          await new Promise(next =>
            stream.paceMs > 0 ? setTimeout(next, stream.paceMs) : setImmediate(next),
          );
        if (cut > at && socket.writable) socket.write(stream.bytes.slice(at, cut), 'latin1');
        at = cut;
      }
      allSent = true;
      if (stream.ending === 'destroy') finish('left');
      else if (stream.ending === 'half-close') socket.end();
      else look();
    });
  });
}

/** Set by test/run.ts: what is seen in one lane is rarely seen in the other. */
const LANE = ['TORC_TEST_EXPRESS', 'TORC_TEST_PIPELINING']
  .filter(name => process.env[name] !== undefined)
  .map(name => `${name}=${process.env[name]} `)
  .join('');

/** All that is needed to see a failure and to make it again. */
function describe(seed: number, { stream, seen, received, outcome }: Run, verdict: Verdict): string {
  return [
    `stream ${stream.number}: ${LANE}TORC_TEST_FUZZ_SEED=${seed} TORC_TEST_FUZZ_STREAM=${stream.number} (${outcome})`,
    ...verdict.violations.map(({ rule, shown: text }) => `  ${rule}: ${ascii(text)}`),
    `  client (${stream.ending}, cut at ${stream.cuts.join(' ') || 'nothing'}): ${shown(stream.bytes)}`,
    `  received: ${shown(received)}`,
    ...seen.flatMap(one => [
      `  replica ${exchangeOf(one)}`,
      ...one.before.map(
        other =>
          `    on that connection, ${one.together.includes(other) ? 'together with it' : 'before'}: ${exchangeOf(other)}`,
      ),
    ]),
  ].join('\n');
}

const exchangeOf = ({ request: { head, kind }, sent, ended }: Seen): string =>
  `got ${head?.method} ${head?.target} (${kind}), said ${shown(sent)} and ${ended === 'no' ? 'stayed' : ended}`;

/** As a JavaScript string, so that it can be pasted into a test. */
const shown = (text: string): string =>
  ascii(JSON.stringify(text.length > 2000 ? `${text.slice(0, 2000)}...` : text));
const ascii = (text: string): string =>
  text.replace(/[\x7f-\xff]/g, byte => `\\x${byte.charCodeAt(0).toString(16)}`);
