// Whatever leaves on purpose leaves its requests their grace: slow ones, server-sent events and tunnels.

import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keyOf } from '../support/begun.ts';
import { slotsOf } from '../support/healing.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { rolloutOf } from '../support/rollout.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const grace = suite('grace');
const slow = join(import.meta.dirname, '..', 'support', 'slow-replica.ts');

interface LongOnes {
  readonly slow: RawClient;
  readonly events: RawClient;
  readonly tunnel: RawClient;
}

/** A request of 5 s, a stream of events of 5 s and a tunnel, all on one slot; they are at work when this resolves. */
async function longOnes(torc: Torc, slot: string): Promise<LongOnes> {
  const id = await keyOf(torc, slot);
  const [slow, events, tunnel] = [
    await rawClient(torc.port),
    await rawClient(torc.port),
    await rawClient(torc.port),
  ];
  slow.send(get(`/slow?request_id=${id}`));
  events.send(get(`/events?request_id=${id}`));
  tunnel.send(get(`/echo?request_id=${id}`, ['Connection: Upgrade', 'Upgrade: echo']));
  await events.has('data: 1\n');
  await tunnel.has('101 Switching');
  return { slow, events, tunnel };
}

/** All three end as if nothing had happened; `meanwhile` is called when the tunnel is the last. */
async function endWell({ slow, events, tunnel }: LongOnes, meanwhile = async () => {}): Promise<void> {
  tunnel.send('are you there?');
  await tunnel.has('are you there?');
  // The last event and the end of the chunked body may come in two packets.
  await waitFor(() => slow.received.endsWith('slow') && events.received.endsWith('\r\n0\r\n\r\n'), {
    timeoutMs: 20_000,
    what: 'the long answers, whole',
  });
  assert.match(slow.received, /^HTTP\/1\.1 200 /);
  assert.match(events.received, /data: end\n\n/);
  tunnel.send('and now?');
  await tunnel.has('and now?');
  await meanwhile();
  for (const client of [slow, events, tunnel]) client.close();
}

const slowReplica = {
  TORC_WORKERS: '1',
  TORC_DRAIN_TIMEOUT_MS: '20000',
  TORC_REPLICA_COMMAND: `exec ${process.execPath} ${slow}`,
};

grace('/rm leaves a slow request, a stream of events and a tunnel their grace', async () => {
  const torc = await startTorc(slowReplica);
  try {
    const long = await longOnes(torc, '2');
    const removed = torc.send('DELETE', '/rm', { n: 1, hostnames: ['2'] });
    await waitFor(async () => (await slotsOf(torc)).length === 2, {
      timeoutMs: 20_000,
      what: 'slot 2 to leave',
    });
    await endWell(long);
    assert.is((await removed).status, 200);
  } finally {
    await torc.close();
  }
});

grace('the exit leaves them their grace too', async () => {
  const torc = await startTorc(slowReplica);
  try {
    const long = await longOnes(torc, '2');
    torc.process.kill('SIGTERM');
    await waitFor(() => torc.output().includes('stopping: '), {
      timeoutMs: 20_000,
      what: 'the exit to begin',
    });
    await endWell(long);
    assert.is(await torc.exited(), 0, torc.output());
  } finally {
    await torc.close();
  }
});

grace('a roll-out leaves them theirs, and the next slot waits for them', async () => {
  const torc = await startTorc({ ...slowReplica, TORC_ADMIN_OPEN: 'true' });
  try {
    const long = await longOnes(torc, '1');
    const version = { command: `VERSION=2 ${slowReplica.TORC_REPLICA_COMMAND}` };
    const rolledOut = torc.send('POST', '/admin/rollout', version);
    const generations = async (): Promise<number[]> =>
      (await slotsOf(torc)).map(({ generation }) => generation);
    await waitFor(async () => (await generations())[0] === 2, {
      timeoutMs: 30_000,
      what: 'slot 1 to be swapped',
    });
    await endWell(long, async () => assert.equal(await generations(), [2, 1, 1]));
    assert.is((await rolledOut).status, 200, (await rolledOut).text);
    assert.equal(await generations(), [2, 2, 2]);
    assert.is((await rolloutOf(torc)).state, 'succeeded');
  } finally {
    await torc.close();
  }
});

grace.run();
