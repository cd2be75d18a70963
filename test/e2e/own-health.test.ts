// Own health first: a primary that cannot run for a while declares nobody dead for that. Its timers are late, its probes'
// deadlines are over, and all replicas are well.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { beside } from '../support/beside.ts';
import { slotsOf } from '../support/healing.ts';
import { startTorc, type Torc } from '../support/torc.ts';

const health = suite('own health');

/** Long enough for the worst stall, and for the beats after it to be judged. */
const BEATS_MS = 12_000;

const start = (settings: Record<string, string>): Promise<Torc> =>
  startTorc({
    TORC_WORKERS: '1',
    TORC_HEARTBEAT_INTERVAL_MS: '300',
    TORC_HEARTBEAT_TIMEOUT_MS: '300',
    ...settings,
  });

/** Evaluates in the primary, over node's inspector, whose address it prints at its start. */
async function evaluate(torc: Torc, expression: string): Promise<void> {
  const address = /ws:\S+/.exec(torc.errors())?.[0] ?? '';
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => {
    socket.onerror = reject;
    socket.onopen = () =>
      socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
    socket.onmessage = resolve;
  });
  socket.close();
}

const block = 'ms => { for (const until = performance.now() + ms; performance.now() < until; ); }';
const pass = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

async function outlives(
  settings: Record<string, string>,
  stall: (torc: Torc) => Promise<void>,
): Promise<void> {
  const torc = await start(settings);
  try {
    const before = await slotsOf(torc);
    await stall(torc);
    await pass(BEATS_MS);
    assert.equal(await slotsOf(torc), before);
    const out = torc.lines().filter(line => line.to === 'suspect' || line.to === 'dead');
    assert.equal(out, []);
  } finally {
    await torc.close();
  }
}

const inspected = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };
const begins = beside(health);

begins('an event loop blocked for 3 s', () =>
  outlives(inspected, torc => evaluate(torc, `(${block})(3000)`)),
);

// In pieces it is harder: heartbeats are asked between two of them, and their deadlines are over before the answer is read.
begins('an event loop blocked for 600 ms, 12 times in a row', () =>
  outlives(inspected, torc => {
    const again = `let left = 12; const again = () => { (${block})(600); if (--left > 0) setTimeout(again, 1); }; again()`;
    return evaluate(torc, again);
  }),
);

begins('a primary that is stopped for 5 s and goes on, and again', () =>
  outlives({}, async torc => {
    for (const ms of [5_000, 600, 600, 600, 600, 600]) {
      torc.process.kill('SIGSTOP');
      await pass(ms);
      torc.process.kill('SIGCONT');
      await pass(20);
    }
  }),
);

health.run();
