// When heartbeats are asked, with a clock that is moved by hand.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ProbeResult } from '../../src/control/driver.ts';
import { Heartbeats } from '../../src/control/heartbeat.ts';
import { seededRandom } from '../../src/core/random.ts';
import { advance, FakeClock } from '../sim/clock.ts';

const test = suite('heartbeat');

interface Asked {
  readonly atMs: number;
  readonly timeoutMs: number;
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
  voidCount = 0;
  readonly heartbeats = new Heartbeats({
    probe: (_host, _port, _path, timeoutMs) => this.#probe(timeoutMs),
    clock: this.clock,
    random: seededRandom(1),
    path: '/heartbeat',
    intervalMs: 1000,
    timeoutMs: 500,
    onBeat: (replicaId, { alive }) => {
      this.beats.push(`${replicaId}${alive ? '+' : '-'}`);
    },
    onVoid: () => this.voidCount++,
  });

  #probe(timeoutMs: number): Promise<ProbeResult> {
    const startedMs = this.clock.nowMs();
    this.asked.push({ atMs: startedMs, timeoutMs });
    this.mostOut = Math.max(this.mostOut, ++this.outCount);
    const { alive } = this;
    return new Promise(resolve => {
      this.clock.after(Math.min(this.takesMs, timeoutMs), () => {
        this.outCount--;
        const isLate = this.clock.nowMs() - startedMs >= timeoutMs;
        const isAlive = alive && !isLate;
        resolve({ alive: isAlive, got: isAlive ? 'answer' : 'nothing', detail: '' });
      });
    });
  }
}

test('fast until the first answer counts, then at the interval, from a random point of it', async () => {
  const prober = new Prober();
  prober.alive = false;
  prober.heartbeats.watch('a', 'h', 1);
  await advance(prober.clock, 259);
  assert.is(prober.asked.length, 10);
  prober.heartbeats.steady('a');
  prober.asked.length = 0;
  prober.alive = true;
  await advance(prober.clock, 10_000);
  assert.is(prober.asked.length, 10);
  const gaps = prober.asked.slice(1).map(({ atMs }, index) => Math.round(atMs - prober.asked[index]!.atMs));
  assert.equal(new Set(gaps), new Set([1000]));
});

test('never two questions to one replica, however slow and however often it is doubted', async () => {
  const prober = new Prober();
  prober.takesMs = 450;
  prober.heartbeats.watch('a', 'h', 1);
  for (let i = 0; i < 200; i++) {
    prober.heartbeats.confirm('a');
    await advance(prober.clock, 37);
  }
  assert.is(prober.mostOut, 1);
});

test('many replicas are spread over the interval', async () => {
  const prober = new Prober();
  for (let i = 0; i < 200; i++) {
    prober.heartbeats.watch(`${i}`, 'h', i);
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
  prober.heartbeats.watch('a', 'h', 1);
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
  prober.heartbeats.watch('a', 'h', 1);
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
  prober.heartbeats.watch('a', 'h', 1);
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

test('a real miss counts although there was a little lag', async () => {
  const prober = new Prober();
  prober.takesMs = 10_000;
  prober.heartbeats.watch('a', 'h', 1);
  await advance(prober.clock, 100);
  prober.clock.stall(60);
  await advance(prober.clock, 450);
  assert.equal(prober.beats, ['a-']);
});

test('what is not watched any more is not told', async () => {
  const prober = new Prober();
  prober.takesMs = 100;
  prober.heartbeats.watch('a', 'h', 1);
  await advance(prober.clock, 50);
  prober.heartbeats.unwatch('a');
  await advance(prober.clock, 5_000);
  assert.equal(prober.beats, []);
  assert.is(prober.asked.length, 1);
});

test.run();
