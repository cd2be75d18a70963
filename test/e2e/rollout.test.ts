// Roll-outs on child processes, and what is refused where.

import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { slotsOf } from '../support/healing.ts';
import { rolloutTests } from '../support/rollout.ts';
import { temporaryState } from '../support/state.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

interface Fleet {
  readonly slots: { readonly state: string }[];
  readonly spares: { readonly state: string }[];
}

const TOKEN = 'a-token-of-this-test';
const replica = `exec ${process.execPath} ${join(import.meta.dirname, '..', '..', 'docker', 'replica.ts')}`;

/** Sends the token with every request. */
async function startWithToken(settings: Record<string, string>): Promise<Torc> {
  const torc = await startTorc({ TORC_ADMIN_TOKEN: TOKEN, ...settings });
  const headers = { authorization: `Bearer ${TOKEN}` };
  return {
    ...torc,
    get: path => torc.get(path, headers),
    send: (method, path, payload) => torc.send(method, path, payload, headers),
  };
}

const rollout = suite('roll-out of processes');

rolloutTests(
  rollout,
  () => startWithToken({ TORC_WORKERS: '2' }),
  {
    good: { command: `SERVER_ID=v2-$SERVER_ID ${replica}` },
    ends: { command: 'echo no database >&2; exit 1' },
    mute: { command: 'exec sleep 600' },
    missing: null,
  },
  async pid => process.kill(Number(pid), 'SIGKILL'),
);

rollout('spares are of the new version too, and healing with them brings no old one back', async () => {
  const torc = await startWithToken({ TORC_WORKERS: '1', TORC_REPLICAS: '2', TORC_SPARES: '1' });
  try {
    const command = `SERVER_ID=v2 ${replica}`;
    assert.is((await torc.send('POST', '/admin/rollout', { command })).status, 200);
    const isWhole = async (): Promise<boolean> => {
      const { slots, spares } = JSON.parse((await torc.get('/admin/slots')).text) as Fleet;
      return [...slots, ...spares].every(slot => slot.state === 'ready');
    };
    for (const name of ['1', '2']) {
      await waitFor(isWhole, { timeoutMs: 20_000, what: 'slots and spare' });
      const victim = (await slotsOf(torc)).find(slot => slot.name === name)!;
      process.kill(Number(victim.replica.replace('pid ', '')), 'SIGKILL');
      for (let key = 0; key < 20; key++)
        assert.match((await torc.get(`/request?request_id=${key}`)).text, /"server_id":"v2"/);
    }
  } finally {
    await torc.close();
  }
});

rollout('after a restart what dies comes back as the version that was rolled out', async () => {
  const settings = {
    TORC_STATE_DIR: temporaryState(),
    PORT: String(await freePort()),
    TORC_WORKERS: '1',
    TORC_REPLICAS: '1',
  };
  const answer = async (torc: Torc): Promise<string> => (await torc.get('/home')).text;
  const first = await startWithToken(settings);
  const command = `SERVER_ID=v2 ${replica}`;
  assert.is((await first.send('POST', '/admin/rollout', { command })).status, 200);
  first.process.kill('SIGKILL');
  await first.exited();
  const second = await startWithToken(settings);
  try {
    const [adopted] = await slotsOf(second);
    process.kill(Number(adopted!.replica.replace('pid ', '')), 'SIGKILL');
    await waitFor(
      async () => {
        const [slot] = await slotsOf(second);
        return slot!.state === 'ready' && slot!.generation > adopted!.generation;
      },
      { timeoutMs: 30_000, what: 'a new replica' },
    );
    assert.match(await answer(second), /Server: v2/);
  } finally {
    await second.close();
  }
  const third = await startWithToken(settings);
  assert.match(await answer(third), /Server: v2/, 'after an orderly stop too');
  await third.close();
  const changed = await startWithToken({ ...settings, TORC_REPLICA_COMMAND: `SERVER_ID=v3 ${replica}` });
  try {
    assert.match(await answer(changed), /Server: v3/);
    const told = changed
      .lines()
      .filter(line => /the last roll-out was of SERVER_ID=v2/.test(String(line.msg)));
    assert.equal(
      told.map(({ level }) => level),
      ['warn'],
    );
  } finally {
    await changed.close();
  }
});

rollout('a command needs the token, also on loopback; given upstreams cannot be rolled out', async () => {
  const torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '1' });
  try {
    const answer = await torc.send('POST', '/admin/rollout', { command: 'true' });
    assert.is(answer.status, 403);
    assert.match(answer.text, /TORC_ADMIN_TOKEN/);
    const given = await startTorc({
      TORC_DRIVER: 'static',
      TORC_UPSTREAMS: `127.0.0.1:${torc.port}`,
      TORC_HEARTBEAT_PATH: '/rep',
      TORC_WORKERS: '1',
    });
    try {
      const refused = await given.send('POST', '/admin/rollout', { image: 'app:2' });
      assert.equal([refused.status, /given by TORC_UPSTREAMS/.test(refused.text)], [409, true], refused.text);
      assert.match((await given.get('/admin/rollout')).text, /"none"/);
    } finally {
      await given.close();
    }
  } finally {
    await torc.close();
  }
});

rollout.run();
