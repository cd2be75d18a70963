// torc in a container that has no network of its own: on the host's (`--network host`, to see the clients' addresses), where
// there is nothing to join, and on another container's, which is joined to the replicas' in its place.

import { join } from 'node:path';
import * as assert from 'uvu/assert';
import {
  containersOf,
  docker,
  engineSuite,
  ensureBundledImage,
  networkExists,
  networkName,
} from '../support/engine.ts';
import { freePort } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const network = networkName();
const root = join(import.meta.dirname, '..', '..');
const ASK = (port: number): string =>
  `fetch('http://127.0.0.1:${port}/home').then(r => console.log(String(r.status)), e => console.log(String(e.cause)))`;

engineSuite('own network', network, test => {
  const made: string[] = [];

  /** Makes and starts a container with Node, this checkout and the engine's socket. */
  async function run(name: string, mode: string, command: string[], env: string[] = []): Promise<string> {
    const container = await docker.createContainer({
      Image: 'node:26-slim',
      name: `${network}-${name}`,
      Cmd: command,
      Env: env,
      WorkingDir: '/app',
      HostConfig: {
        NetworkMode: mode,
        Init: true,
        Binds: [`${root}:/app:ro`, '/var/run/docker.sock:/var/run/docker.sock'],
      },
    });
    made.push(container.id);
    await container.start();
    return container.id;
  }

  async function inside(id: string, program: string): Promise<string> {
    const exec = await docker
      .getContainer(id)
      .exec({ Cmd: ['node', '-e', program], AttachStdout: true, Tty: true });
    const stream = await exec.start({ Tty: true });
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    return text.trim();
  }

  async function serves(id: string, port: number): Promise<void> {
    await waitFor(async () => (await inside(id, ASK(port))) === '200', {
      timeoutMs: 60_000,
      what: 'an answer of a replica',
    });
    assert.is((await containersOf(network)).length, 1);
    await docker.getContainer(id).stop({ t: 30 });
    assert.equal(await containersOf(network), []);
    assert.is(await networkExists(network), false);
  }

  const torcOn = (mode: string, port: number): Promise<string> =>
    run(
      `torc-${port}`,
      mode,
      ['node', 'src/main.ts'],
      [`PORT=${port}`, 'TORC_DRIVER=docker', `TORC_NETWORK=${network}`, 'TORC_REPLICAS=1', 'TORC_WORKERS=1'],
    );

  test.before(async () => {
    await ensureBundledImage();
  });
  test.after(async () => {
    for (const id of made)
      await docker
        .getContainer(id)
        .remove({ force: true, v: true })
        .catch(() => {}); // it was never started
  });

  test("on the host's", async () => {
    const port = await freePort();
    await serves(await torcOn('host', port), port);
  });

  test("on another container's", async () => {
    const other = await run('other', 'bridge', ['node', '-e', 'setInterval(() => {}, 1e6)']);
    await serves(await torcOn(`container:${other}`, 5000), 5000);
    const { NetworkSettings } = await docker.getContainer(other).inspect();
    assert.equal(Object.keys(NetworkSettings.Networks), ['bridge'], 'torc has left what it joined');
  });
});
