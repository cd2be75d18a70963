// Which torc it is and what it runs: said to those who run it, and never to a client.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { spawnTorc, startTorc } from '../support/torc.ts';

const test = suite('what runs');
const root = join(import.meta.dirname, '..', '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const node = process.versions.node;

test('--version', () => {
  for (const flag of ['--version', '-v']) {
    const { stdout, status } = spawnSync(process.execPath, ['src/main.ts', flag], {
      cwd: root,
      encoding: 'utf8',
    });
    assert.equal([stdout, status], [`torc ${version} (Node ${node})\n`, 0]);
  }
});

test('banner, log, status and metrics have version and program; no client sees the version', async () => {
  const torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '1' });
  try {
    const lines = torc.lines();
    assert.ok(lines.some(line => line.msg === `torc ${version} starts` && line.node === node));
    const banner = lines.find(line => String(line.msg).startsWith('torc is ready'))!;
    assert.equal([banner.version, banner.program], [version, 'the demo program']);
    const status = JSON.parse((await torc.get('/admin/status')).text);
    assert.equal([status.version, status.program], [version, 'the demo program']);
    const metrics = (await torc.get('/metrics')).text;
    assert.ok(metrics.includes(`torc_build_info{version="${version}",node="${node}"} 1`), metrics);
    for (const path of ['/home', '/nothing', '/admin/nothing', '/rep']) {
      const { text, headers } = await torc.get(path, { host: 'a', 'x-request-id': '1' });
      const seen = text + JSON.stringify([...headers]);
      assert.not.ok(seen.includes(version) || seen.includes(node), `${path}: ${seen}`);
    }
  } finally {
    await torc.close();
  }
});

test("a program of one's own is named as it was given", async () => {
  const command = `${process.execPath} ${join(root, 'docker', 'replica.ts')}`;
  const settings = { TORC_WORKERS: '1', TORC_REPLICAS: '1', TORC_REPLICA_COMMAND: command };
  const torc = await startTorc({ ...settings, TORC_DRIVER: 'auto' });
  try {
    const banner = torc.lines().find(line => String(line.msg).startsWith('torc is ready'))!;
    assert.equal([banner.driver, banner.program], ['process', command]);
  } finally {
    await torc.close();
  }
});

test('an image without an engine: the start fails in one line that says what to do', async () => {
  const torc = await spawnTorc({
    TORC_DRIVER: 'auto',
    TORC_IMAGE: 'app:1',
    DOCKER_HOST: 'unix:///nowhere/docker.sock',
  });
  assert.is(await torc.exited(), 1);
  assert.is(
    torc.errors(),
    'torc: TORC_IMAGE is set, so the replicas are containers, but no Docker engine answers at unix:///nowhere/docker.sock: start it, or say where it is with DOCKER_HOST or docker context use\n',
  );
});

test.run();
