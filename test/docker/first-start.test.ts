// The first start of somebody's own image: what is said of one that listens where torc does not reach it, and a container's
// own HEALTHCHECK as the heartbeat, as a mode and found out.

import * as assert from 'uvu/assert';
import { docker, engineSuite, ensureBundledImage, networkName, removeImage } from '../support/engine.ts';
import { slotsOf } from '../support/healing.ts';
import { spawnTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const network = networkName();

/** Answers every path with `status`, on `host`. */
const program = (host: string, port: number, status: number): string[] => [
  'node',
  '-e',
  `require('http').createServer((ask, reply) => { reply.statusCode = ${status}; reply.end('own'); }).listen(${port}, '${host}'); process.on('SIGTERM', () => process.exit(0))`,
];

async function makeImage(tag: string, entrypoint: string[], changes: string): Promise<string> {
  await ensureBundledImage();
  const template = await docker.createContainer({ Image: 'torc-replica', Entrypoint: entrypoint });
  await template.commit({ repo: network, tag, changes });
  await template.remove({ force: true });
  return `${network}:${tag}`;
}

async function withTorc(
  settings: Record<string, string>,
  body: (torc: Torc) => Promise<void>,
): Promise<void> {
  const torc = await spawnTorc({
    TORC_DRIVER: 'docker',
    TORC_NETWORK: network,
    TORC_WORKERS: '1',
    TORC_REPLICAS: '1',
    ...settings,
  });
  try {
    await body(torc);
  } finally {
    await torc.close();
  }
}

const said = (torc: Torc, text: RegExp): string[] =>
  torc
    .lines()
    .map(({ msg }) => String(msg))
    .filter(msg => text.test(msg));
const untilSaid = (torc: Torc, text: RegExp): Promise<void> =>
  waitFor(() => said(torc, text).length > 0, { timeoutMs: 60_000, what: `a line with ${text}` });

engineSuite('first start, containers', network, test => {
  test.after(async () => {
    for (const tag of ['loopback', 'port', 'health']) await removeImage(`${network}:${tag}`);
  });

  test('an image that listens on its loopback alone, or on another port, is told so', async () => {
    const loopback = await makeImage('loopback', program('127.0.0.1', 5000, 200), 'EXPOSE 5000');
    await withTorc({ TORC_IMAGE: loopback }, async torc => {
      await untilSaid(torc, /does not answer yet/);
      await untilSaid(
        torc,
        /: GET \/heartbeat on [\d.]+:5000: connection refused; it listens on 127\.0\.0\.1(:5000)? only \(inside\)/,
      );
    });
    const port = await makeImage('port', program('0.0.0.0', 8000, 200), 'EXPOSE 8000');
    await withTorc({ TORC_IMAGE: port, TORC_REPLICA_PORT: '5000' }, torc =>
      untilSaid(torc, /: connection refused; .*TORC_REPLICA_PORT=8000/),
    );
  });

  test("a container's own HEALTHCHECK is found where there is no /heartbeat, and may be the only word", async () => {
    const image = await makeImage(
      'health',
      program('0.0.0.0', 5000, 404),
      'HEALTHCHECK --interval=500ms --retries=1 CMD test ! -e /tmp/ill',
    );
    await withTorc({ TORC_IMAGE: image }, async torc => {
      await untilSaid(torc, /torc is ready/);
      assert.match(
        said(torc, /^heartbeats ask for/).join(),
        /^heartbeats ask for the container's health: healthy \(GET \/heartbeat: 404 in \d+ ms\)/,
      );
    });
    await withTorc(
      { TORC_IMAGE: image, TORC_HEARTBEAT_MODE: 'docker', TORC_DEAD_AFTER_MS: '2000' },
      async torc => {
        await untilSaid(torc, /torc is ready/);
        const [before] = await slotsOf(torc);
        const ill = await docker.getContainer(before!.replica).exec({ Cmd: ['touch', '/tmp/ill'] });
        await ill.start({});
        await waitFor(
          async () => {
            const [slot] = await slotsOf(torc);
            return slot!.state === 'ready' && slot!.generation > before!.generation;
          },
          { timeoutMs: 60_000, what: 'another one that is healthy' },
        );
        assert.match(torc.output(), /the container's health on [\d.:]+: unhealthy|health_status/);
      },
    );
  });
});
