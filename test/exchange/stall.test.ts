// A worker that itself did nothing for a while (no CPU, a suspended machine) holds no replica to that time: neither one that it
// asks right after, whose deadline counts from a sweep before the stall, nor one whose answer lies unread.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Answer, plain, rawOrigin } from '../support/origin.ts';
import { startProxy } from '../support/proxy.ts';
import { get, rawClient } from '../support/raw.ts';

const stall = suite('stall');

/** This process is replica, torc and client: nobody does anything meanwhile. */
const stop = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);

const closing = plain('late', ['Connection: close']);
const stoppingBehind: Answer = (request, socket) => {
  closing(request, socket);
  if (request.index === 0 && request.connection === 1) stop();
};

const CASES: [string, Answer, () => void][] = [
  ['connecting right after a stall is given its time', closing, stop],
  ['an answer that came during a stall is read', stoppingBehind, () => {}],
];

for (const [name, answer, behind] of CASES) {
  stall(name, async () => {
    const origin = await rawOrigin(answer);
    const torc = await startProxy([origin.port], {
      RETRIES: '0',
      CONNECT_TIMEOUT_MS: '300',
      RESPONSE_TIMEOUT_MS: '300',
    });
    const client = await rawClient(torc.port);
    try {
      client.send(get('/a'));
      assert.is((await client.answer()).status, 200);
      client.send(get('/b'));
      behind();
      assert.is((await client.answer()).status, 200);
      assert.equal(torc.hints, []);
    } finally {
      client.close();
      await torc.close();
      await origin.close();
    }
  });
}

stall.run();
