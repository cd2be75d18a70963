// torc from a settings file: the service in it runs as it says, and what is wrong in it stops the start with its line.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryState } from '../support/state.ts';
import { spawnTorc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const file = suite('config file, whole');
const folder = temporaryState();

function write(name: string, text: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const readOr = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has ended
  }
};

const program = `
require('node:http').createServer((request, response) => {
  const { GREETING, ID, SECRET = 'none' } = process.env;
  response.end([GREETING, ID, process.argv.slice(2).join('+'), process.cwd(), SECRET].join('|'));
}).listen(Number(process.argv[2].split('=')[1]), process.env.HOST);
`;

file('a service of torc.yaml is served, with its environment, folder and placeholders', async () => {
  write('app.js', program);
  write('app.env', 'GREETING="hello $${NAME:-world}"\n'.replace('$$', '$'));
  const path = write(
    'torc.yaml',
    `
replicas: 2
heartbeat-path: /
replica:
  command: [${process.execPath}, app.js, "--port={{port}}", "{{slot}}"]
  env_file: app.env
  environment:
    ID: "{{slot}}.{{generation}}"
  depends_on: [database]
`,
  );
  const torc = await spawnTorc({ TORC_KEY: 'path', SECRET: 'of torc' }, ['--config', path]);
  try {
    await waitFor(() => torc.output().includes('torc is ready on') || torc.process.exitCode !== null, {
      timeoutMs: 60_000,
      what: 'the ready line',
    });
    for (let index = 0; index < 6; index++) {
      const { text, headers } = await torc.get(`/${index}`);
      const slot = headers.get('x-served-by');
      assert.match(
        text,
        new RegExp(`^hello world\\|${slot}\\.1\\|--port=\\d+\\+${slot}\\|${folder}\\|none$`),
      );
    }
    assert.match(torc.output(), 'depends_on database: torc starts only its replicas');
    const children = readdirSync('/proc').filter(pid =>
      new RegExp(`\\) \\S ${torc.process.pid} `).test(readOr(`/proc/${pid}/stat`)),
    );
    const workers = children
      .map(pid => readOr(`/proc/${pid}/environ`))
      .filter(environ => environ.includes('"heartbeatPath"'));
    assert.ok(workers.length > 0, 'workers are told their settings');
    for (const environ of workers) assert.not.match(environ, 'hello world', 'and not what replicas are told');
  } finally {
    await torc.close();
  }
  assert.is(await torc.exited(), 0);
});

file('faults of settings and service come together, with their lines', async () => {
  const path = write('wrong.yaml', 'replicaz: 2\nreplica:\n  comand: x\n  user: 5\n');
  const torc = await spawnTorc({}, ['--config', path]);
  assert.is(await torc.exited(), 2);
  const lines = torc.errors().trim().split('\n');
  assert.is(lines.length, 3, torc.errors());
  assert.match(lines[0]!, /wrong.yaml:1: replicaz: is no setting of torc; did you mean replicas\?/);
  assert.match(lines[1]!, /wrong.yaml:3: replica.comand: is no key here; did you mean command\?/);
  assert.match(lines[2]!, /wrong.yaml:4: replica.user: 5 is not text; allowed: the same in quotes/);
  await torc.close();
});

file.run();
