// The packed tarball, installed in an empty folder, does there what a clone does: serves, heals, shows its page, tests its
// settings; on the oldest Node of each line that "engines" names, and on the one that runs the tests. An older one is
// told so in one line.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyFolder, install, nodesOf, type Packed, pack } from '../support/package.ts';
import { temporaryState } from '../support/state.ts';
import { freePort } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const TOO_OLD = '18.20.8';
const OLDEST = ['24.18.0', '26.2.0'];
const MOST_BYTES = 400_000;

const { version, engines } = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'),
);
const folder = emptyFolder();
const packed: Packed = await pack(folder.path);
const tests = suite('package');
tests.after(() => folder.remove());

tests('is small, and has no tests, benches or sources that its users do not run', () => {
  assert.ok(packed.bytes < MOST_BYTES, `${packed.bytes} bytes`);
  const odd = packed.paths.filter(
    path => !/^(?:dist\/|docker\/replica\.|package\.json|README|LICENSE|CHANGELOG)/.test(path),
  );
  assert.equal(odd, []);
  assert.equal(
    packed.paths.filter(path => path.endsWith('.ts') && path.startsWith('dist/') && !path.endsWith('.d.ts')),
    [],
  );
});

tests('its pages lead nowhere that the package is not', () => {
  const textOf = (page: string): string =>
    spawnSync('tar', ['xzOf', packed.file, `package/${page}`], { encoding: 'utf8' }).stdout;
  const targetsIn = (text: string): string[] =>
    [...text.matchAll(/\]\(([^)]*)\)/g)].map(([, target]) => target!);
  for (const page of packed.paths.filter(path => path.endsWith('.md')))
    assert.equal(
      targetsIn(textOf(page)).filter(target => !/^[a-z]+:/.test(target) && !packed.paths.includes(target)),
      [],
      page,
    );
  const readme = textOf('README.md');
  const targets = targetsIn(readme);
  assert.ok(targets.includes('LICENSE'), 'and where it is');
  assert.match(readme, 'every key stays where it is (`docs/migrating.md`)');
  assert.match(readme, /with every answer and error: `docs\/api\.md`\./);
  assert.not.match(readme, '![');
});

/** Where neither registry nor cache has it there is nothing to test. */
const got = await Promise.all([
  install(folder.path, packed),
  nodesOf(folder.path, [TOO_OLD, ...OLDEST]).catch(() => null),
]).catch((error: Error) => error);

if (got instanceof Error) {
  process.stdout.write(`${got.message}\n`);
  tests.skip('installed: npm install failed', () => {});
} else {
  const [command, nodes] = got;
  const [tooOld = null, ...oldest] = nodes ?? [];

  tests('engines names what is tested', () => {
    assert.is(engines.node, '^24.18 || >=26.2');
  });

  if (tooOld === null) tests.skip('on other Nodes: npm has none for this machine', () => {});
  else
    tests('a Node that is too old is told so in one line', () => {
      const { stderr, status } = spawnSync(tooOld, [command], { encoding: 'utf8' });
      assert.match(stderr, new RegExp(`^torc needs Node 24\\.18.*this is ${TOO_OLD}.*\\n$`));
      assert.is(status, 1);
    });

  for (const node of [...oldest, process.execPath]) {
    const name = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();

    tests(`on Node ${name}: says its version, and every fault of its settings`, () => {
      const said = spawnSync(node, [command, '--version'], { encoding: 'utf8' });
      assert.is(said.stdout, `torc ${version} (Node ${name.slice(1)})\n`);
      const wrong = spawnSync(node, [command, '--replicas', '0', '--ring', 'round'], { encoding: 'utf8' });
      assert.is(wrong.status, 2);
      assert.match(wrong.stderr, /^TORC_REPLICAS: /m);
      assert.match(wrong.stderr, /^TORC_RING: /m);
    });

    tests(`on Node ${name}: serves, shows its page, and heals`, async () => {
      const torc = await start(node, command);
      try {
        assert.match(await torc.text('/request?request_id=7'), /Hello from Server/);
        assert.match(await torc.text('/admin/'), '<html');
        assert.match(await torc.text('/admin/page/main.js'), 'import');
        const [first] = await torc.slots();
        process.kill(Number(first!.replica.replace('pid ', '')), 'SIGKILL');
        await waitFor(
          async () => {
            const [now] = await torc.slots();
            return now!.state === 'ready' && now!.generation > first!.generation;
          },
          { timeoutMs: 60_000, what: 'another replica in the slot' },
        );
        torc.process.kill('SIGTERM');
        assert.equal(await torc.ended, [0, null]);
      } finally {
        torc.process.kill('SIGKILL');
      }
    });
  }
}

interface Slot {
  readonly state: string;
  readonly generation: number;
  readonly replica: string;
}

interface Started {
  readonly process: ChildProcess;
  readonly ended: Promise<unknown[]>;
  text(path: string): Promise<string>;
  slots(): Promise<Slot[]>;
}

/** By the command's link, as npx does, from a folder of no meaning. */
async function start(node: string, command: string): Promise<Started> {
  const port = await freePort();
  const child = spawn(node, [command, '--workers', '2', '--driver', 'process'], {
    cwd: realpathSync(folder.path),
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: String(port),
      TORC_STATE_DIR: temporaryState(),
      TORC_HEARTBEAT_TIMEOUT_MS: '2000',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ended = once(child, 'exit');
  await waitFor(() => output.includes('torc is ready') || child.exitCode !== null, {
    timeoutMs: 60_000,
    what: 'the ready line',
  });
  assert.is(child.exitCode, null, output);
  const text = async (path: string): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(30_000) });
    return response.text();
  };
  return { process: child, ended, text, slots: async () => JSON.parse(await text('/admin/slots')).slots };
}

tests.run();
