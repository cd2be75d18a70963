// Requests that share a connection: they leave together and each gets its own answer, and whatever is doubtful about one
// answer moves those behind it elsewhere. An Upstream over real sockets, its attempts made by hand, so that what is ready
// in one turn is known; and the decision when to share, by a clock that stands still.

import type { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { type Random, seededRandom } from '../../src/core/random.ts';
import type { Attempt, Carrier } from '../../src/upstream/attempt.ts';
import { MOST_BEHIND, Pipelining } from '../../src/upstream/pipelining.ts';
import { NO_BODY } from '../../src/upstream/response-head.ts';
import { Upstream } from '../../src/upstream/upstream.ts';
import { makeReply, makeStream } from '../fuzz/mutate.ts';
import { persists, readResponse } from '../fuzz/strict.ts';
import { FakeClock } from '../sim/clock.ts';
import { type Answer, type Origin, rawOrigin } from '../support/origin.ts';
import { waitFor } from '../support/wait.ts';

const pipelining = suite('pipelining');

/** An attempt, and all that it was told. */
interface Sent extends Attempt {
  readonly target: string;
  status: number;
  text: string;
  ended: boolean;
  moved: number;
  fault: string;
  carrier: Carrier | null;
}

const SETTINGS = {
  maxConnectionsPerReplica: 64,
  maxQueue: 64,
  pipelining: 'auto',
  replicaProtocol: 'http1',
  connectTimeoutMs: 1000,
} as const;
let origin: Origin;
let upstream: Upstream;

function attempt(target: string, over: Partial<Attempt> = {}): Sent {
  const ignore = (): void => {};
  const sent: Sent = {
    target,
    status: 0,
    text: '',
    ended: false,
    moved: 0,
    fault: '',
    carrier: null,
    path: target,
    method: 'GET',
    head: `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
    isHead: false,
    framing: NO_BODY,
    wantsUpgrade: false,
    repeatable: true,
    mayPipeline: true,
    freshOnly: false,
    cancelled: false,
    onConnection: carrier => {
      sent.carrier = carrier;
    },
    onSent: ignore,
    onPause: ignore,
    onWritable: ignore,
    onUpgraded: ignore,
    onInformation: ignore,
    onHead: ({ status }) => {
      sent.status = status;
    },
    onText: body => {
      sent.text += body;
    },
    onBody: chunk => {
      sent.text += chunk.toString('latin1');
    },
    onEnd: () => {
      sent.ended = true;
      upstream.end();
      upstream.took(1, systemClock.nowMs());
    },
    // As the exchange does: once more, on a connection of its own; after a stale one too.
    onMoved: () => {
      sent.moved++;
      upstream.end();
      upstream.dispatch(Object.assign(sent, { mayPipeline: false }));
    },
    onFault: (code, _detail, _sent, stale) => {
      if (stale) {
        sent.onMoved();
        return;
      }
      sent.fault = code;
      upstream.end();
    },
    // The pool's word, when it is closed already.
    onResponseError: () => {
      sent.fault = 'REFUSED';
      upstream.end();
    },
    ...over,
  };
  return sent;
}

const answering = (body: string): string =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const echo: Answer = ({ target }, socket) => void socket.write(answering(target));

function sendAll(attempts: readonly Sent[]): void {
  for (const one of attempts) upstream.dispatch(one);
}
const answered = (attempts: readonly Sent[]): Promise<void> =>
  waitFor(() => attempts.every(({ ended }) => ended), { timeoutMs: 20_000, what: 'all answers' });
const turn = (): Promise<void> => new Promise(resolve => setImmediate(() => setImmediate(resolve)));
const targets = (count: number): Sent[] => Array.from({ length: count }, (_, index) => attempt(`/${index}`));
/** What each of them asked for is what it got. */
const eachItsOwn = (attempts: readonly Sent[]): void => {
  for (const { target, text } of attempts) assert.is(text, target);
};

/** No look at what is late ever comes: what is moved is moved for another reason. */
const withoutTimers: Clock = {
  nowMs: () => systemClock.nowMs(),
  wallMs: () => systemClock.wallMs(),
  after: () => ({ cancel: () => {} }),
};

/** Busy enough to share, with some free connections. */
async function busy(answer: Answer = echo, clock: Clock = systemClock): Promise<void> {
  origin = await rawOrigin(echo);
  upstream = new Upstream(
    {
      slotId: 0,
      slot: '1',
      replicaId: 'r',
      host: '127.0.0.1',
      port: origin.port,
      state: 'ready',
      generation: 1,
    },
    SETTINGS,
    clock,
  );
  for (let round = 0; round < 3; round++) {
    const warm = targets(12);
    sendAll(warm);
    await answered(warm);
    await turn();
  }
  origin.requests.length = 0;
  origin.answer = answer;
}

pipelining.after.each(async () => {
  upstream.destroy();
  await origin.close();
});

pipelining(
  'those of one turn leave together and get their own answers; another turn has its own',
  async () => {
    await busy();
    const first = targets(10);
    sendAll(first);
    await answered(first);
    eachItsOwn(first);
    assert.is(new Set(origin.requests.map(({ connection }) => connection)).size, 1);
    assert.equal(
      origin.requests.map(({ target }) => target),
      first.map(({ target }) => target),
    );
    const parts = ['HTTP/1.1 200 OK\r\nContent-Le', 'ngth: 2\r\n\r\n', 'ab'];
    // Answers that come in pieces, chunked, empty, and to HEAD.
    origin.answer = ({ target, index }, socket) => {
      if (index % 4 === 0) for (const part of parts) socket.write(part);
      else if (index % 4 === 1)
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n');
      else if (index % 4 === 2) socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${target.startsWith('/h') ? '' : 'ab'}`);
    };
    await turn();
    const second = Array.from({ length: 12 }, (_, index) =>
      index === 5
        ? attempt('/h', { isHead: true, method: 'HEAD', head: 'HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n' })
        : attempt(`/${index}`),
    );
    const before = origin.requests.length;
    // To HEAD all of these are heads alone.
    const plainAnswer = origin.answer;
    origin.answer = (request, socket) => {
      if (request.method === 'HEAD') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n');
      else plainAnswer(request, socket);
    };
    sendAll(second);
    await answered(second);
    assert.is(origin.requests.length - before, 12);
    for (const { text, isHead } of second)
      assert.ok(isHead ? text === '' : text === 'ab' || text === '', text);
  },
);

pipelining('no more than sixteen share a connection', async () => {
  await busy();
  const many = targets(MOST_BEHIND * 3);
  sendAll(many);
  await answered(many);
  eachItsOwn(many);
  const perConnection = new Map<number, number>();
  for (const { connection } of origin.requests)
    perConnection.set(connection, (perConnection.get(connection) ?? 0) + 1);
  assert.is(Math.max(...perConnection.values()), MOST_BEHIND + 1);
});

pipelining('nothing is sent behind what may not be shared, and that behind nothing', async () => {
  await busy((request, socket) => {
    if (request.method === 'GET') echo(request, socket);
  });
  const post = { method: 'POST', mayPipeline: false, head: 'POST /p HTTP/1.1\r\nHost: a\r\n\r\n' };
  const alone = [attempt('/p', post), attempt('/p', post)];
  const shared = targets(6);
  upstream.dispatch(alone[0]!);
  sendAll(shared.slice(0, 3));
  upstream.dispatch(alone[1]!);
  sendAll(shared.slice(3));
  await answered(shared);
  eachItsOwn(shared);
  const used = origin.requests.filter(({ method }) => method === 'POST').map(({ connection }) => connection);
  const others = new Set(
    origin.requests.filter(({ method }) => method === 'GET').map(({ connection }) => connection),
  );
  assert.is(new Set(used).size, 2);
  for (const connection of used) assert.not.ok(others.has(connection));
});

pipelining(
  'a replica that closes, or says it will, or speaks HTTP/1.0: those behind are sent again',
  async () => {
    const closings: Answer[] = [
      (request, socket) => void socket.end(answering(request.target)),
      (request, socket) =>
        void socket.write(answering(request.target).replace('OK', 'OK\r\nConnection: close')),
      (request, socket) => void socket.write(answering(request.target).replace('1.1', '1.0')),
      (request, socket) => {
        socket.write(answering(request.target));
        socket.resetAndDestroy();
      },
    ];
    for (const [number, closing] of closings.entries()) {
      const seen = new Set<number>();
      await busy((request, socket) => {
        // Only the first of each connection is answered, and ends it.
        if (seen.has(request.connection)) return;
        seen.add(request.connection);
        closing(request, socket);
      });
      // Connections from before are known; none of theirs has been answered since.
      const all = targets(8);
      sendAll(all);
      await answered(all);
      eachItsOwn(all);
      assert.is(all.filter(({ moved }) => moved > 0).length, 7, `closing ${number}: all but the first`);
      assert.ok(
        all.every(({ fault }) => fault === ''),
        'and none has failed',
      );
      origin.answer = echo;
      // Twice, so that those that were closed are open again.
      for (let round = 0; round < 2; round++) {
        const alone = Array.from({ length: 12 }, () => attempt('/alone', { mayPipeline: false }));
        sendAll(alone);
        await answered(alone);
        eachItsOwn(alone);
        await turn();
      }
      origin.requests.length = 0;
      const later = targets(8);
      sendAll(later);
      await answered(later);
      eachItsOwn(later);
      const places = origin.requests.map(
        ({ connection, index, target }) => `${connection}:${index} ${target}`,
      );
      assert.is(
        new Set(origin.requests.map(({ connection }) => connection)).size,
        8,
        `it is off for a while after closing ${number}: ${places.join(', ')}`,
      );
      if (number < closings.length - 1) {
        upstream.destroy();
        await origin.close();
      }
    }
  },
);

pipelining('who once says what answers nobody is sent nothing together any more', async () => {
  const broken: Answer[] = [
    // As far as anybody can tell, the second is the answer to the next request.
    ({ target }, socket) =>
      void socket.write(answering(target) + (target === '/0' ? answering('extra') : '')),
    ({ target }, socket) => void socket.write(answering(target).replace('Length: ', 'Length: x')),
  ];
  for (const [number, answer] of broken.entries()) {
    let shared: Socket | null = null;
    const clock = new FakeClock();
    await busy((request, socket) => {
      shared ??= socket;
      answer(request, socket);
    }, clock);
    sendAll(targets(8));
    const isClosed = (): boolean => shared !== null && !origin.sockets.has(shared);
    await waitFor(isClosed, { timeoutMs: 20_000, what: 'the connection to be closed' });
    // Longer than any distrust lasts, and than a connection may be idle: they are opened anew.
    clock.stall(60_000);
    while (clock.runNext(clock.nowMs())) {}
    origin.answer = echo;
    for (let round = 0; round < 2; round++) {
      const alone = Array.from({ length: 12 }, () => attempt('/alone', { mayPipeline: false }));
      sendAll(alone);
      await answered(alone);
      await turn();
    }
    origin.requests.length = 0;
    const later = targets(8);
    sendAll(later);
    await answered(later);
    eachItsOwn(later);
    assert.is(new Set(origin.requests.map(({ connection }) => connection)).size, 8, `answer ${number}`);
    if (number === broken.length - 1) break;
    upstream.destroy();
    await origin.close();
  }
});

pipelining('when the first is late, those behind it are moved and it is still answered', async () => {
  let release = (): void => {};
  let isOpen = (): boolean => true;
  await busy((request, socket) => {
    if (request.target === '/0') {
      release = () => void socket.write(answering('/0'));
      isOpen = () => origin.sockets.has(socket);
    }
    // In order, as HTTP wants it: what is behind the late one on its connection waits.
    else if (request.connection !== origin.requests[0]!.connection) echo(request, socket);
  });
  const all = targets(8);
  sendAll(all);
  await answered(all.slice(1));
  eachItsOwn(all.slice(1));
  assert.is(all[0]!.ended, false);
  release();
  await answered(all);
  eachItsOwn(all);
  assert.is(all[0]!.moved, 0);
  // The replica may still answer the others there.
  await waitFor(() => !isOpen(), { timeoutMs: 20_000, what: 'the connection to be closed' });
});

pipelining(
  'a doubtful answer ends the connection: its request fails, those behind are sent again',
  async () => {
    const doubtful = [
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nextra',
      'nonsense\r\n\r\n',
    ];
    for (const [number, text] of doubtful.entries()) {
      let first = -1;
      await busy((request, socket) => {
        if (first === -1) first = request.connection;
        if (request.target === '/2') socket.write(text);
        else if (request.connection !== first || request.target < '/2') echo(request, socket);
      });
      const all = targets(6);
      sendAll(all);
      const others = all.filter(({ target }) => target !== '/2');
      await answered(others);
      eachItsOwn(others);
      assert.equal(
        all.map(({ moved }) => moved),
        [0, 0, 0, 1, 1, 1],
        text,
      );
      assert.is(all[2]!.fault, 'BAD_RESPONSE', text);
      if (number < doubtful.length - 1) {
        upstream.destroy();
        await origin.close();
      }
    }
  },
);

pipelining('an interim answer, or one that lasts until the end, lets nobody wait behind it', async () => {
  for (const text of ['HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\nforever']) {
    let first = -1;
    await busy((request, socket) => {
      if (first === -1) first = request.connection;
      if (request.target === '/0') socket.write(text);
      else if (request.connection !== first) echo(request, socket);
    }, withoutTimers);
    const all = targets(5);
    sendAll(all);
    await answered(all.slice(1));
    eachItsOwn(all.slice(1));
    upstream.destroy();
    await origin.close();
  }
  await busy();
});

pipelining('who leaves takes no answer with it: the others get their own', async () => {
  let go = (): void => {};
  await busy((request, socket) => {
    if (request.target === '/0') go = () => echo(request, socket);
    else if (request.target === '/5') {
      go();
      for (const target of ['/1', '/2', '/3', '/4', '/5']) socket.write(answering(target));
    }
  });
  const all = targets(6);
  sendAll(all);
  for (const gone of [all[0]!, all[3]!]) {
    gone.carrier!.abort(gone);
    upstream.end();
  }
  const others = [1, 2, 4, 5].map(index => all[index]!);
  await answered(others);
  eachItsOwn(others);
  assert.is(all[0]!.ended || all[3]!.ended, false);
  assert.is(upstream.inFlight, 0);
});

pipelining('a client that does not read holds nobody else up', async () => {
  await busy((request, socket) => {
    if (request.target === '/0') socket.write(answering('x'.repeat(300_000)));
    else echo(request, socket);
  }, withoutTimers);
  const all = targets(5);
  Object.assign(all[0]!, {
    onBody: () => all[0]!.carrier!.pause(),
  });
  sendAll(all);
  await answered(all.slice(1));
  eachItsOwn(all.slice(1));
  assert.is(all[0]!.ended, false);
});

pipelining('a replica that is gone: what waits for it is told, each once', async () => {
  await busy(() => {});
  const all = targets(8);
  sendAll(all);
  await waitFor(() => origin.requests.length === 8, { timeoutMs: 20_000, what: 'the requests to arrive' });
  upstream.cut();
  await waitFor(() => all.every(({ fault }) => fault !== ''), { timeoutMs: 20_000, what: 'all to be told' });
  assert.is(upstream.inFlight, 0);
});

// ---- whatever the replica says

/** One connection of a replica that answers in order. */
interface Line {
  readonly asked: { readonly target: string; readonly isHead: boolean }[];
  said: string;
  hasEnded: boolean;
  /** Answers that are still to be given. */
  waiting: number;
  turn: Promise<void>;
}

/** The first try of each target is answered wildly, in pieces, and then its connection ends; any other try is answered well. */
function hostile(seed: number, round: number, lines: Map<number, Line>): Answer {
  const random = seededRandom(seed ^ Math.imul(round, 0x9e3779b1));
  const stream = { ...makeStream(seed, round), hostile: 'replica' as const };
  const tried = new Set<string>();
  return ({ method, target, connection }, socket) => {
    const isHead = method === 'HEAD';
    const line = lines.get(connection) ?? {
      asked: [],
      said: '',
      hasEnded: false,
      waiting: 0,
      turn: Promise.resolve(),
    };
    lines.set(connection, line);
    line.asked.push({ target, isHead });
    const isAgain = tried.has(target);
    tried.add(target);
    const head = { method, target, status: 0, minor: 1, fields: [] };
    const wild = makeReply(seed, stream, head, 0, `id${target}`);
    const text = isAgain
      ? answering(target).slice(0, isHead ? -target.length : undefined)
      : wild.writes.join('');
    const cut = random() < 0.5 ? text.length : Math.floor(random() * text.length);
    line.waiting++;
    line.turn = line.turn.then(async () => {
      line.waiting--;
      for (const piece of [text.slice(0, cut), text.slice(cut)]) {
        if (!socket.writable || piece === '') continue;
        line.said += piece;
        socket.write(piece, 'latin1');
        await turn();
      }
      if (isAgain || (line.waiting > 0 && wild.ending === 'keep')) return;
      line.hasEnded = true;
      socket.end();
    });
  };
}

/** What stands at the places of the whole answers to a target: status and body. */
function placesOf(target: string, lines: Map<number, Line>): string[] {
  const places: string[] = [];
  for (const { asked, said, hasEnded } of lines.values()) {
    let at = 0;
    for (const one of asked) {
      const { kind, head, body, end } = readResponse(said, at, one.isHead, hasEnded);
      if (kind !== 'whole') break;
      if (one.target === target) places.push(`${head!.status} ${body}`);
      if (!persists(head!)) break;
      at = end;
    }
  }
  return places;
}

/** For `npm test`, 2 s; TORC_TEST_FUZZ_SECONDS is how long else, and TORC_TEST_FUZZ_SEED which run. */
const SECONDS = Number(process.env.TORC_TEST_FUZZ_SECONDS ?? 2);
const SEED = Number(process.env.TORC_TEST_FUZZ_SEED ?? Date.now() >>> 0);

/** One batch to a new replica; returns how many of it shared a connection. */
async function round(number: number, random: Random): Promise<number> {
  const lines = new Map<number, Line>();
  const clock = new FakeClock();
  await busy(hostile(SEED, number, lines), clock);
  const all = Array.from({ length: 2 + Math.floor(random() * 6) }, (_, index) => {
    const [method, isHead] = random() < 0.2 ? (['HEAD', true] as const) : (['GET', false] as const);
    return attempt(`/${index}`, { method, isHead, head: `${method} /${index} HTTP/1.1\r\nHost: a\r\n\r\n` });
  });
  // Some leave, before their answer or within it.
  const leaving = new Set(all.filter(() => random() < 0.1));
  const leave = (one: Sent): void => {
    if (one.ended || one.fault !== '') return;
    one.carrier!.abort(one);
    upstream.end();
  };
  const isEarly = random() < 0.5;
  if (!isEarly)
    for (const one of leaving) Object.assign(one, { onHead: () => setImmediate(() => leave(one)) });
  sendAll(all);
  if (isEarly) for (const one of leaving) leave(one);
  // Now and then the first is late.
  for (let looks = random() < 0.3 ? 3 : 0; looks > 0; looks--) {
    clock.stall(1000);
    while (clock.runNext(clock.nowMs())) {}
    await turn();
  }
  await waitFor(() => upstream.inFlight === 0, { timeoutMs: 20_000, what: `all ends of round ${number}` });
  for (const one of all) {
    if (leaving.has(one)) continue;
    const { target, ended, status, text, fault } = one;
    const told = `${status} ${text}`;
    const places = placesOf(target, lines);
    assert.ok(ended !== (fault !== ''), `round ${number}: ${target} has one end`);
    assert.ok(
      !ended || places.includes(told),
      JSON.stringify({ number, target, told, places, fault, lines: [...lines] }),
    );
  }
  return Math.max(...[...lines.values()].map(({ asked }) => asked.length));
}

pipelining(`whatever a replica says, each is told what stands at its place: seed ${SEED}`, async () => {
  const random = seededRandom(SEED);
  const untilMs = performance.now() + SECONDS * 1000;
  let shared = 0;
  for (let number = 0; performance.now() < untilMs || number < 10; number++) {
    if (number > 0) {
      upstream.destroy();
      await origin.close();
    }
    shared += await round(number, random);
  }
  assert.ok(shared > 20, `${shared} shared a connection`);
});

// ---- when

/** A decision that has seen `count` requests while `inFlight` were under way, answered in `ms` each. */
function after(clock: FakeClock, count: number, inFlight: number, ms: number): Pipelining {
  const when = new Pipelining(clock);
  for (let index = 0; index < count; index++) {
    when.mayShare(inFlight);
    clock.stall(1);
    when.took(ms, clock.nowMs());
  }
  return when;
}

pipelining('only when many are in flight, and the replica answers fast', async () => {
  await busy();
  const clock = new FakeClock();
  assert.is(after(clock, 5, 1, 1).mayShare(1), false, 'nobody would wait');
  assert.is(after(clock, 100, 20, 1).mayShare(20), true);
  assert.is(after(clock, 100, 20, 50).mayShare(20), false, 'slow');
});

pipelining('off for a second once younger ones overtook a late one, not for a stall of all', async () => {
  await busy();
  const clock = new FakeClock();
  const when = after(clock, 100, 20, 1);
  assert.is(when.mayShare(20), true);
  // All of these waited for the same thing, in order.
  clock.stall(40);
  for (let index = 0; index < 10; index++) when.took(40 - index, clock.nowMs());
  for (let index = 0; index < 100; index++) {
    clock.stall(1);
    when.took(1, clock.nowMs());
  }
  assert.is(when.mayShare(20), true, 'a stall');
  when.took(60, clock.nowMs());
  assert.is(when.mayShare(20), false, 'overtaken');
  while (clock.runNext(clock.nowMs() + 999)) {}
  assert.is(when.mayShare(20), false);
  while (clock.runNext(clock.nowMs() + 2)) {}
  assert.is(when.mayShare(20), true, 'calm again');
  when.distrust();
  when.overtaken();
  while (clock.runNext(clock.nowMs() + 9_000)) {}
  assert.is(when.mayShare(20), false, 'the longer one counts');
  while (clock.runNext(clock.nowMs() + 2_000)) {}
  assert.is(when.mayShare(20), true);
});

pipelining.run();
