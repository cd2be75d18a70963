// What must hold between the bytes of a client, the bytes that reached the replicas, and the bytes that came back. One
// request in is at most one request out (and a retry only where it is allowed); what the client is given as a complete
// answer is the complete answer to that very request. It never says what torc has to accept, only what it may not do.

import type { Stream } from './mutate.ts';
import type { Seen } from './origin.ts';
import {
  type Head,
  type Message,
  originForm,
  persists,
  readRequests,
  readResponse,
  valuesOf,
} from './strict.ts';

export interface Evidence {
  readonly stream: Pick<Stream, 'bytes' | 'ending'>;
  readonly seen: readonly Seen[];
  /** All that came back. */
  readonly received: string;
  /** `hung`: neither answered in full nor closed within the bound; `refused`: no connection. */
  readonly outcome: 'answered' | 'closed' | 'left' | 'hung' | 'refused';
}

/** What was broken, in words that are the same each time, and the bytes that show it. */
export interface Violation {
  readonly rule: string;
  readonly shown: string;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly requests: number;
  readonly forwarded: number;
  /** torc's own answers, by status. */
  readonly own: readonly number[];
  /** Answers that were cut off on purpose, because the replica's was. */
  readonly cut: number;
  /** Whole requests without any answer. */
  readonly unanswered: number;
  /** Requests that reached a replica before an earlier one of their connection, one of the two not being safe. */
  readonly overtaken: number;
}

/** The first try, TORC_RETRIES more, and one for a connection that had gone stale. */
const MOST_TRIES = 4;
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
/** Fields that torc may set itself on the way to the replica, and on the way back. */
const SET_UPSTREAM =
  /^(?:x-forwarded-(?:for|proto|host)|x-request-id|via|te|connection|upgrade|host|max-forwards|transfer-encoding)$/;
const SET_DOWNSTREAM = /^(?:x-served-by|x-request-id|via|date|connection|keep-alive|transfer-encoding)$/;

export function judge({ stream, seen, received, outcome }: Evidence): Verdict {
  const requests = readRequests(stream.bytes);
  const violations = judgeRequests(stream.bytes, requests, seen);
  const { answers, rest } = readAnswers(received, requests, outcome === 'closed');
  const own: number[] = [];
  let forwarded = 0;
  let cut = 0;
  for (const [index, answer] of answers.entries()) {
    const rule = judgeAnswer(answer, requests[index], seen, index === answers.length - 1);
    if (rule !== '') violations.push({ rule, shown: `answer ${index}: ${show(answer)}` });
    if (answer.head === null) continue;
    if (!isForwarded(answer.head)) own.push(answer.head.status);
    else if (answer.kind === 'whole') forwarded++;
    else cut++;
  }
  if (rest !== '') {
    const what = /^HTTP\/1\.1 [45]/.test(rest) ? 'an error' : 'bytes';
    violations.push({ rule: `${what} behind the last answer`, shown: JSON.stringify(rest.slice(0, 300)) });
  }
  if (outcome === 'hung') violations.push({ rule: 'neither answered nor closed', shown: '' });
  if (outcome === 'refused') violations.push({ rule: 'no connection', shown: '' });
  const whole = requests.filter(({ kind }) => kind === 'whole').length;
  return {
    violations,
    requests: whole,
    forwarded,
    own,
    cut,
    unanswered: Math.max(0, whole - answers.length),
    overtaken: countOvertaken(requests, seen),
  };
}

const show = (message: Message): string => JSON.stringify({ ...message, body: message.body.slice(0, 200) });

const isLastError = (head: Head): boolean =>
  head.status >= 400 && !isForwarded(head) && !persists({ ...head, minor: 1 });

const isForwarded = (head: Head): boolean => valuesOf(head, 'x-served-by').length > 0;

/** Answers in order; each is read as the answer to the request at its place. */
export function readAnswers(
  received: string,
  requests: readonly Message[],
  closed: boolean,
): { answers: Message[]; rest: string } {
  const answers: Message[] = [];
  let at = 0;
  while (at < received.length) {
    const isHead = requests[answers.length]?.head?.method === 'HEAD';
    let answer = readResponse(received, at, isHead, closed);
    // An error may be for what came of the request before its method was known; then it has its body.
    if (
      isHead &&
      answer.kind === 'whole' &&
      /^[^H]/.test(received.slice(answer.end)) &&
      isLastError(answer.head!)
    )
      answer = readResponse(received, at, false, closed);
    answers.push(answer);
    at = answer.kind === 'whole' ? answer.end : received.length;
    if (answer.kind !== 'whole' || !persists({ ...answer.head!, minor: 1 })) break;
  }
  return { answers, rest: received.slice(at) };
}

function judgeRequests(bytes: string, requests: readonly Message[], seen: readonly Seen[]): Violation[] {
  const violations: Violation[] = [];
  const tries = requests.map(() => 0);
  const end = requests.at(-1)?.end ?? 0;
  for (const { request } of seen) {
    const fitting = requests
      .map((asked, index) => ({ asked, index }))
      .filter(({ asked }) => isSame(request, asked))
      .sort((a, b) => tries[a.index]! - tries[b.index]!)[0];
    if (fitting === undefined) {
      // Made by who goes on after a broken request or a last one, as none may (RFC 9112 section 9.6): told apart.
      const isBehind = bytes.includes(request.head!.target, end);
      const rule = isBehind
        ? 'a request behind the end of a connection'
        : 'a request that the client never made';
      violations.push({ rule, shown: show(request) });
      continue;
    }
    const most = IDEMPOTENT.has(fitting.asked.head!.method) ? MOST_TRIES : 1;
    if (++tries[fitting.index]! > most) violations.push({ rule: 'sent too often', shown: show(request) });
  }
  return violations;
}

/** Only safe requests may be worked on side by side (RFC 9112 section 9.3.2). */
function countOvertaken(requests: readonly Message[], seen: readonly Seen[]): number {
  const order = requests.map(asked => seen.findIndex(({ request }) => isSame(request, asked)));
  const isSafe = (index: number): boolean =>
    /^(?:GET|HEAD|OPTIONS|TRACE)$/.test(requests[index]!.head?.method ?? '');
  return order.filter((arrived, index) =>
    order.some(
      (earlier, before) =>
        before < index && arrived !== -1 && earlier > arrived && !(isSafe(before) && isSafe(index)),
    ),
  ).length;
}

/** True where `arrived` can be what the replica got of `asked`: all of it, or the beginning. */
function isSame(arrived: Message, asked: Message): boolean {
  const [got, wanted] = [arrived.head, asked.head];
  if (got === null || wanted === null) return false;
  if (got.method !== wanted.method || got.target !== originForm(wanted.target, wanted.method)) return false;
  if (
    arrived.kind === 'whole'
      ? asked.kind !== 'whole' || arrived.body !== asked.body
      : !asked.body.startsWith(arrived.body)
  )
    return false;
  return (
    isWithin(arrived.trailers, asked.trailers, /^$/) && isWithin(got.fields, wanted.fields, SET_UPSTREAM)
  );
}

function isWithin(fields: Head['fields'], allowed: Head['fields'], set: RegExp): boolean {
  return fields.every(
    ([name, value]) => set.test(name) || allowed.some(([other, same]) => other === name && same === value),
  );
}

/** The rule that the answer breaks, or ''. */
function judgeAnswer(
  answer: Message,
  request: Message | undefined,
  seen: readonly Seen[],
  isLast: boolean,
): string {
  // A client that was cut off within a head has been told nothing.
  if (answer.kind === 'cut' && answer.head === null) return '';
  if (answer.kind === 'broken') return `a broken answer: ${answer.why}`;
  const head = answer.head!;
  const asked = request?.head ?? null;
  if (!isForwarded(head)) {
    // What is broken is answered at its place, by an error that ends the connection.
    if (asked === null && (head.status < 400 || !isLast)) return 'an answer to no request';
    const isLastHop = asked !== null && valuesOf(asked, 'max-forwards').length > 0;
    return head.status < 400 && !isLastHop ? 'an answer of nobody that is no error' : '';
  }
  if (request === undefined || asked === null) return "a replica's answer to no request";
  const fits = seen.some(one => isSame(one.request, request) && isAnswer(answer, placeOf(one), asked));
  return fits ? '' : "an answer that is not the replica's answer to this request";
}

/**
 * What the replica said at the place of its answer. Those of requests that came together are told apart by their order alone (RFC
 * 9112 section 9.3.2): whoever says too much or too little for one has answered the next one so.
 */
function placeOf(one: Seen): Said {
  const sent = one.together.map(other => other.sent).join('');
  const ended = one.together.find(other => other.ended !== 'no')?.ended ?? 'no';
  let at = 0;
  for (const { request } of one.together.slice(0, one.together.indexOf(one))) {
    const answer = readResponse(sent, at, request.head!.method === 'HEAD', false);
    if (answer.kind !== 'whole' || !persists(answer.head!)) return { sent: '', ended };
    at = answer.end;
  }
  return { sent: sent.slice(at), ended };
}
type Said = Pick<Seen, 'sent' | 'ended'>;

/** True where the client's answer is the replica's: whole only if that was whole, and with nothing that it did not say. */
function isAnswer(answer: Message, one: Said, request: Head): boolean {
  const said = readResponse(one.sent, 0, request.method === 'HEAD', one.ended === 'end');
  if (said.head === null || said.head.status !== answer.head!.status) return false;
  if (!isWithin(answer.head!.fields, said.head.fields, SET_DOWNSTREAM)) return false;
  // To a client of HTTP/1.0 the close is the end, however it came about: it cannot be told of a cut.
  const byClose = answer.head!.fields.every(
    ([name]) => name !== 'content-length' && name !== 'transfer-encoding',
  );
  const endIsKnown = request.minor === 1 || !byClose;
  if (answer.kind !== 'whole' || !endIsKnown) return said.body.startsWith(answer.body);
  return said.kind === 'whole' && said.body === answer.body && isWithin(answer.trailers, said.trailers, /^$/);
}
