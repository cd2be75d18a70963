// "What to look at when ..." of docs/operations.md, line by line: every command is run by a shell against a torc to which
// all of it has happened, and has something to say.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryState } from '../support/state.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operations.md'), 'utf8');
const section = /## What to look at when \.\.\.\n([\s\S]*?)\n## /.exec(page)![1]!;
const commands = [...section.matchAll(/^ {4}\$ (.+)$/gm)].map(([, command]) => command!);

const onCall = suite('on call');

/** A replica that serves until it is told to end, and then, where the file is there, ends at once. */
function replicaCommand(folder: string): string {
  const program = join(folder, 'replica.mjs');
  const text = `import { existsSync } from 'node:fs';
    import { createServer } from 'node:http';
    if (existsSync(${JSON.stringify(join(folder, 'broken'))})) { console.log('no database'); process.exit(1); }
    createServer((request, response) => {
      if (request.url === '/boom') process.exit(1);
      response.end('well');
    }).listen(process.env.PORT, process.env.HOST);`;
  writeFileSync(program, text);
  return `${process.execPath} ${program}`;
}

/** A failed request, a lost worker, a wrong token, a change, and a slot that cannot be filled. Returns the request's id. */
async function makeTrouble(torc: Torc, folder: string): Promise<string> {
  for (let key = 0; key < 30; key++) await torc.get(`/x?request_id=${key}`);
  assert.is((await torc.send('POST', '/add', { n: 1 })).status, 200);
  await torc.get('/admin/slots', { origin: 'http://elsewhere.test' });
  const { workers } = JSON.parse((await torc.get('/admin/status')).text) as {
    workers: { each: { pid: number }[] };
  };
  process.kill(workers.each[0]!.pid, 'SIGKILL');
  await waitFor(() => torc.output().includes('a worker died'), { timeoutMs: 30_000, what: 'its line' });
  writeFileSync(join(folder, 'broken'), '');
  const boom = (): Promise<string> =>
    torc.send('POST', '/boom', '').then(
      ({ status, text }) => (status === 502 ? (JSON.parse(text) as { id: string }).id : ''),
      () => '',
    );
  let id = '';
  await waitFor(
    async () => {
      id = await boom();
      return id !== '';
    },
    { timeoutMs: 30_000, what: 'a failed request' },
  );
  await waitFor(() => torc.output().includes('is not filled'), { timeoutMs: 60_000, what: 'a slot out' });
  return id;
}

const run = spawnSync('curl', ['--version'], { stdio: 'ignore' }).status === 0 ? onCall : onCall.skip;

run('each command finds what it is for', async () => {
  assert.ok(commands.length >= 15, `${commands.length} commands`);
  const folder = temporaryState();
  const torc = await startTorc({
    TORC_WORKERS: '2',
    TORC_REPLICAS: '2',
    TORC_REPLICA_COMMAND: replicaCommand(folder),
  });
  try {
    const id = await makeTrouble(torc, folder);
    const silent: string[] = [];
    for (const command of commands) {
      writeFileSync(join(folder, 'torc.log'), torc.output());
      const line = command
        .replaceAll('127.0.0.1:5000', `127.0.0.1:${torc.port}`)
        .replaceAll('1-mifq3k2a-7', id)
        .replaceAll('2026-11-27T00:00:00Z', '2020-01-01T00:00:00Z');
      const { stdout, stderr } = spawnSync('sh', ['-c', line], {
        cwd: folder,
        encoding: 'utf8',
        timeout: 30_000,
      });
      if (stdout.trim() === '' || stderr !== '') silent.push(`${command}: ${stderr}`);
      if (line.includes(id)) assert.match(stdout, /"tried":\[\{"slot":"\d","code":"RESET"/);
    }
    assert.equal(silent, []);
  } finally {
    await torc.close();
  }
});

onCall.run();
