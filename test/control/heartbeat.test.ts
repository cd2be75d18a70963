// When heartbeats are asked, with a clock that is moved by hand.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ProbeResult, Question, Replica } from '../../src/control/driver.ts';
import { Heartbeats } from '../../src/control/heartbeat.ts';
import { questionsOf } from '../../src/control/questions.ts';
import { seededRandom } from '../../src/core/random.ts';
import { advance, FakeClock } from '../sim/clock.ts';
import { SETTINGS } from './setup.ts';

const test = suite('heartbeat');

const replica = (id: string): Replica => ({
  id,
  slot: '1',
  generation: 1,
  spare: false,
  status: 'running',
  host: 'h',
  port: 1,
  label: id,
});

interface Asked {
  readonly atMs: number;
  readonly timeoutMs: number;
  readonly path: string;
}

/** Probes that are answered by hand, or by `answer` after a while. */
class Prober {
  readonly clock = new FakeClock();
  readonly asked: Asked[] = [];
  readonly beats: string[] = [];
  outCount = 0;
  mostOut = 0;
  alive = true;
  takesMs = 1;
  refuses = false;
  /** Statuses by path; what is not here is answered as `alive` says. */
  statuses: Record<string, number> = {};
  readonly questions: readonly Question[];
  readonly heartbeats: Heartbeats;
  voidCount = 0;

  constructor(path: string | null = '/heartbeat') {
    this.questions = questionsOf({ ...SETTINGS, heartbeatPath: path }, false);
    this.heartbeats = new Heartbeats({
      ask: (_replica, question, timeoutMs) => this.#ask(question, timeoutMs),
      questions: this.questions,
      clock: this.clock,
      random: seededRandom(1),
      intervalMs: 1000,
      timeoutMs: 500,
      onBeat: (replicaId, asked) => {
        const { alive } = asked.at(-1)!.result;
        this.beats.push(`${replicaId}${alive ? '+' : '-'}`);
      },
      onVoid: () => this.voidCount++,
    });
  }

  #ask(question: Question, timeoutMs: number): Promise<ProbeResult> {
    const startedMs = this.clock.nowMs();
    this.asked.push({ atMs: startedMs, timeoutMs, path: question.path });
    this.mostOut = Math.max(this.mostOut, ++this.outCount);
    const { alive } = this;
    return new Promise(resolve => {
      this.clock.after(Math.min(this.takesMs, timeoutMs), () => {
        this.outCount--;
        const isLate = this.clock.nowMs() - startedMs >= timeoutMs;
        if (this.refuses) {
          resolve({ alive: false, got: 'refused', status: 0, detail: 'connection refused' });
          return;
        }
        const status = isLate || !alive ? 0 : (this.statuses[question.path] ?? 200);
        resolve({ alive: status === 200, got: status === 0 ? 'nothing' : 'answer', status, detail: '' });
      });
    });
  }
}

test('fast until the first answer counts, then at the interval, from a random point of it', async () => {
  const prober = new Prober();
  prober.alive = false;
  prober.heartbeats.watch(replica('a'));
  await advance(prober.clock, 199);
  assert.is(prober.asked.length, 8);
  prober.heartbeats.steady('a');
  prober.asked.length = 0;
  prober.alive = true;
  await advance(prober.clock, 10_000);
  assert.is(prober.asked.length, 10);
  const gaps = prober.asked.slice(1).map(({ atMs }, index) => Math.round(atMs - prober.asked[index]!.atMs));
  assert.equal(new Set(gaps), new Set([1000]));
});

test('one that takes long to start is asked ever more rarely, and never a second late', async () => {
  const prober = new Prober();
  prober.alive = false;
  prober.heartbeats.watch(replica('a'));
  await advance(prober.clock, 60_000);
  const at = (fromMs: number, toMs: number): number =>
    prober.asked.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length;
  assert.ok(at(0, 1_000) <= 25, `${at(0, 1_000)} in the first second`);
  assert.ok(at(2_000, 3_000) <= 4, `${at(2_000, 3_000)} in the third`);
  assert.ok(at(0, 60_000) <= 100, `${at(0, 60_000)} in a minute`);
  const gaps = prober.asked.slice(1).map(({ atMs }, index) => atMs - prober.asked[index]!.atMs);
  assert.ok(Math.max(...gaps) <= 1_002, `${Math.max(...gaps)} ms between two`);
});

test('the first question that is answered well is the one; only "no such thing" leads to the next', async () => {
  const paths = async (statuses: Record<string, number>): Promise<string[]> => {
    const prober = new Prober(null);
    prober.statuses = statuses;
    prober.heartbeats.watch(replica('a'));
    await advance(prober.clock, 10);
    return prober.asked.map(({ path }) => path);
  };
  assert.equal(await paths({}), ['/heartbeat']);
  assert.equal(await paths({ '/heartbeat': 404 }), ['/heartbeat', '/']);
  assert.equal(await paths({ '/heartbeat': 403, '/': 500 }), ['/heartbeat', '/']);
  assert.equal(await paths({ '/heartbeat': 503 }), ['/heartbeat']);
  assert.equal(await paths({ '/heartbeat': 429 }), ['/heartbeat']);
});

test('a question that was wrong only at the start does not stay, and one that stops being there is left', async () => {
  const prober = new Prober(null);
  const latest = async (ms: number): Promise<string> => {
    prober.asked.length = 0;
    await advance(prober.clock, ms);
    return prober.asked.map(({ path }) => path).join(' ');
  };
  prober.statuses = { '/heartbeat': 404 };
  prober.heartbeats.watch(replica('a'));
  assert.is(await latest(10), '/heartbeat /');
  prober.heartbeats.steady('a');
  assert.match(await latest(4_000), /^(\/ ?)+$/, 'then no other is asked for');
  prober.statuses = {};
  await advance(prober.clock, 3_000);
  assert.match(await latest(4_000), /^(\/heartbeat ?)+$/, 'the one that came late');
  prober.statuses = { '/heartbeat': 410 };
  assert.match(await latest(4_000), /^\/heartbeat (\/ ?)+$/);
  assert.not(prober.beats.includes('a-'), 'no beat was missed for it');
});

test('never two questions to one replica, however slow and however often it is doubted', async () => {
  const prober = new Prober();
  prober.takesMs = 450;
  prober.heartbeats.watch(replica('a'));
  for (let i = 0; i < 200; i++) {
    prober.heartbeats.confirm('a');
    await advance(prober.clock, 37);
  }
  assert.is(prober.mostOut, 1);
});

test('many replicas are spread over the interval', async () => {
  const prober = new Prober();
  for (let i = 0; i < 200; i++) {
    prober.heartbeats.watch(replica(`${i}`));
    prober.heartbeats.steady(`${i}`);
  }
  await advance(prober.clock, 1_000);
  const perTenth = new Array<number>(10).fill(0);
  for (const { atMs } of prober.asked) perTenth[Math.min(9, Math.floor(atMs / 100))]!++;
  assert.ok(Math.max(...perTenth) < 45, `asked per tenth: ${perTenth}`);
});

test('an answer to a question from before the doubt does not refute it', async () => {
  const prober = new Prober();
  prober.takesMs = 100;
  prober.heartbeats.watch(replica('a'));
  await advance(prober.clock, 50);
  prober.alive = false;
  prober.heartbeats.confirm('a');
  await advance(prober.clock, 60);
  assert.equal(prober.beats, []);
  await advance(prober.clock, 100);
  assert.equal(prober.beats, ['a-']);
});

test('after a miss it asks sooner', async () => {
  const prober = new Prober();
  prober.heartbeats.watch(replica('a'));
  prober.heartbeats.steady('a');
  await advance(prober.clock, 3_000);
  prober.asked.length = 0;
  prober.alive = false;
  await advance(prober.clock, 5_000);
  const gaps = prober.asked
    .slice(2)
    .map(({ atMs }, index) => Math.round(atMs - prober.asked[index + 1]!.atMs));
  assert.equal(new Set(gaps), new Set([500]));
});

test('a miss that our own lag may have made is void, and the next deadline is longer, within a bound', async () => {
  const prober = new Prober();
  prober.takesMs = 400;
  prober.heartbeats.watch(replica('a'));
  for (let i = 0; i < 6; i++) {
    await advance(prober.clock, 30);
    prober.clock.stall(5_000);
    await advance(prober.clock, 30);
  }
  assert.equal(prober.beats, []);
  assert.is(prober.voidCount, 6);
  const deadlines = prober.asked.map(({ timeoutMs }) => timeoutMs);
  assert.equal(deadlines.slice(0, 5), [500, 1000, 2000, 4000, 4000]);
  await advance(prober.clock, 500);
  assert.equal(prober.beats.slice(0, 1), ['a+']);
});

test('a refusal counts however late we are: our lag makes none', async () => {
  const prober = new Prober();
  prober.heartbeats.watch(replica('a'));
  await advance(prober.clock, 10);
  prober.heartbeats.steady('a');
  prober.refuses = true;
  prober.beats.length = 0;
  for (let stall = 0; stall < 4; stall++) {
    await advance(prober.clock, 1_000);
    prober.clock.stall(5_000);
  }
  await advance(prober.clock, 2_000);
  assert.is(prober.voidCount, 0);
  assert.ok(prober.beats.length >= 4 && prober.beats.every(beat => beat === 'a-'), prober.beats.join());
});

test('a real miss counts although there was a little lag', async () => {
  const prober = new Prober();
  prober.takesMs = 10_000;
  prober.heartbeats.watch(replica('a'));
  await advance(prober.clock, 100);
  prober.clock.stall(60);
  await advance(prober.clock, 450);
  assert.equal(prober.beats, ['a-']);
});

test('what is not watched any more is not told', async () => {
  const prober = new Prober();
  prober.takesMs = 100;
  prober.heartbeats.watch(replica('a'));
  await advance(prober.clock, 50);
  prober.heartbeats.unwatch('a');
  await advance(prober.clock, 5_000);
  assert.equal(prober.beats, []);
  assert.is(prober.asked.length, 1);
});

test.run();
