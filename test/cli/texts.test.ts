// What `torc status` prints of slots: columns that say something where they do, and none where they would not.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { statusText } from '../../src/cli/texts.ts';

const texts = suite('texts');

type Slots = Parameters<typeof statusText>[1];

const at = '2026-11-30T12:00:00.000Z';
const status = {
  version: '1.2.3',
  startedAt: at,
  program: 'service web (app:1)',
  replicas: { ready: 2, of: 2, notReady: [] },
  spares: { ready: 0, of: 0 },
  driver: { name: 'swarm', reachable: true, since: at },
  rollout: null,
  ring: { algorithm: 'rendezvous', digest: '03ca0efd862a97be' },
  workers: { of: 1, restarts: 0, each: [{ worker: 1, pid: 2, epoch: 3 }] },
  safeToDeploy: { yes: true, reasons: [] },
} as unknown as Parameters<typeof statusText>[0];

const slot = (name: string, more: object): Slots['slots'][number] =>
  ({
    name,
    state: 'ready',
    replica: `web.${name}`,
    address: `10.0.1.${name}:80`,
    weight: 1,
    inFlight: 0,
    requests: 0,
    errors: 0,
    lastMinute: { requests: 0, p50Us: 0, p99Us: 0 },
    lastChange: { at, cause: 'listed', source: 'listing' },
    ...more,
  }) as Slots['slots'][number];

/** Titles of the columns, then each slot's line. */
function linesOf(...slots: Slots['slots']): string[] {
  const text = statusText(status, { driver: 'swarm', slots, spares: [] }, 'http://x', Date.parse(at));
  return text.split('\n').slice(5, 6 + slots.length);
}

texts('the machine of each slot, where there are several', () => {
  const [titles, ...rows] = linesOf(
    slot('1', { machine: 'n1' }),
    slot('2', {}),
    slot('3', { machine: 'node-3' }),
  );
  assert.match(titles!, / address +machine +in flight /);
  assert.equal(
    rows.map(row => row.split(/ {2,}/).slice(3, 5).join(' ')),
    ['10.0.1.1:80 n1', '10.0.1.2:80 -', '10.0.1.3:80 node-3'],
  );
  assert.not.match(linesOf(slot('1', {}))[0]!, 'machine');
});

texts('weights, where one is not 1', () => {
  const [titles, first] = linesOf(slot('1', { weight: 0 }), slot('2', {}));
  assert.match(titles!, / weight /);
  assert.match(first!, / 0 \(drained\) /);
  assert.not.match(linesOf(slot('1', {}))[0]!, 'weight');
});

texts.run();
