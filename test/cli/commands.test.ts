// The commands of a person, as processes of their own, against a real torc and against what is none: what they print, and
// the exit code that a script sees. Completions are asked of real shells.

import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Authority } from '../support/certificates.ts';
import { temporaryState } from '../support/state.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';

const command = join(import.meta.dirname, '..', '..', 'src', 'torc.cjs');
const TOKEN = 'token-of-this-test';

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function torcCommand(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return new Promise(resolve => {
    const child = execFile(
      process.execPath,
      [command, ...args],
      { env: { PATH: process.env.PATH, ...env }, timeout: 60_000 },
      (_error, out, err) => resolve({ code: child.exitCode, out, err }),
    );
  });
}

const tests = suite('commands');
let torc: Torc;
let settings: Record<string, string>;

tests.before(async () => {
  torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '2', TORC_ADMIN_TOKEN: TOKEN });
  settings = { PORT: String(torc.port), TORC_ADMIN_TOKEN: TOKEN };
});
tests.after(() => torc.close());

tests('status: each slot and why, and an exit code', async () => {
  const { code, out, err } = await torcCommand(['status'], settings);
  assert.is(code, 0, err);
  assert.match(out, new RegExp(`^torc \\S+ at http://127.0.0.1:${torc.port}, up .*: 2 of 2 replicas ready`));
  assert.match(out, /^2 +ready +pid \d+ +127\.0\.0\.1:\d+ .*heartbeat answered/m);
  const asJson = await torcCommand(['status', '--json', '--url', torc.url], { TORC_ADMIN_TOKEN: TOKEN });
  assert.is(JSON.parse(asJson.out).replicas.ready, 2);
});

tests('explain: a key, and a request', async () => {
  const key = await torcCommand(['explain', '7'], settings);
  assert.match(key.out, /^key "7" \(key\): hash 0x[0-9a-f]{8}, row \d+ of 65536/);
  assert.match(key.out, /slot [12] serves it/);
  const request = await torcCommand(['explain', '/x?request_id=7&b=%20'], settings);
  assert.match(request.out, /^key "7" \(query:request_id\)/);
  // Of a body nothing is read here: it is told all the same.
  const body = await torcCommand(['explain', '/x', '--body', '{"a&b": "100 %"}'], settings);
  assert.match(body.out, /^key "\/x" \(path\)/);
  const beside = await torcCommand(['explain', '7', '--body', '{}'], settings);
  assert.is(beside.code, 1);
  assert.match(beside.err, 'body is of a request, and a key is asked for alone');
  const wrong = await torcCommand(['explain', 'a b'], settings);
  assert.is(wrong.code, 2);
  assert.match(wrong.err, '%20 for a space');
});

tests('rollout: a command for processes, to its end', async () => {
  const none = await torcCommand(['rollout'], settings);
  assert.match(none.out, 'there was no roll-out yet');
  const version = `${process.execPath} ${join(import.meta.dirname, '..', '..', 'docker', 'replica.ts')}`;
  const done = await torcCommand(['rollout', version], settings);
  assert.is(done.code, 0, done.err);
  assert.match(done.out, /succeeded\n {2}done: 1, 2/);
  const stop = await torcCommand(['rollout', '--stop'], settings);
  assert.is(stop.code, 1);
  assert.match(stop.err, /^torc rollout: .*no roll-out/);
});

tests('reload: what changed, or every fault in a line of its own', async () => {
  const done = await torcCommand(['reload'], settings);
  assert.is(done.code, 0, done.err);
  assert.match(done.out, /\n$/);
  const server = createServer((_request, response) => {
    response.writeHead(400).end('{"message":"<Error> no: A; B","status":"failure","faults":["A","B"]}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { code, err } = await torcCommand(['reload', '--url', url]);
  server.close();
  assert.equal([code, err], [1, 'torc reload: nothing has changed:\n  A\n  B\n']);
});

tests('without its token: one line that says what to set', async () => {
  const { code, err } = await torcCommand(['status'], { PORT: String(torc.port) });
  assert.is(code, 1);
  assert.match(err, /^torc status: http:\S+ needs a token: set TORC_ADMIN_TOKEN .*\n$/);
});

tests('the token of a file', async () => {
  const file = join(temporaryState(), 'tokens');
  writeFileSync(file, `ops operate ${TOKEN}\n`);
  const args = ['status', '--admin-token-file', file];
  assert.is((await torcCommand(args, { PORT: String(torc.port) })).code, 0);
});

tests('nobody there: one line that says what to do', async () => {
  const { code, err } = await torcCommand(['status'], { PORT: String(await freePort()) });
  assert.is(code, 1);
  assert.match(err, /^torc status: nothing answers at http:\S+: start torc, or say where .*\n$/);
});

tests('another program, and a torc of another version', async () => {
  const answers: Record<string, [status: number, text: string]> = {};
  const server = createServer((request, response) => {
    const [status, text] = answers[request.url ?? ''] ?? [404, '<h1>not found</h1>'];
    response.writeHead(status).end(text);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    for (const [status, text] of [
      [404, 'no'],
      [200, '<html>'],
    ] as const) {
      answers['/admin/status'] = [status, text];
      const { code, err } = await torcCommand(['status', '--url', url]);
      assert.is(code, 1);
      assert.match(err, `what answers at ${url} is no torc`);
    }
    answers['/admin/status'] = [200, '{"version":"0.1.0"}'];
    const { code, err } = await torcCommand(['reload', '--url', url]);
    assert.is(code, 1);
    assert.match(err, /^torc reload: the torc at \S+ is 0\.1\.0 and has no POST \/admin\/reload: .*\n$/);
  } finally {
    server.close();
  }
});

tests('check: 0, or 2 with every fault', async () => {
  const good = await torcCommand(['check', '--replicas', '5']);
  assert.equal([good.code, good.err], [0, '']);
  const bad = await torcCommand(['check', '--replicas', '0', '--ring', 'round']);
  assert.is(bad.code, 2);
  assert.is(bad.err.trim().split('\n').length, 2, bad.err);
  const token = await torcCommand(['check', '--admin-token-file', '/nowhere']);
  assert.is(token.code, 2);
  assert.match(token.err, 'TORC_ADMIN_TOKEN_FILE: /nowhere cannot be read');
});

tests('check: the files too, all faults at once', async () => {
  const upstreams = join(temporaryState(), 'upstreams');
  writeFileSync(upstreams, '127.0.0.1:80\nwhat is this\n');
  const files = ['--admin-token-file', '/nowhere', '--upstreams-file', upstreams];
  const { code, err } = await torcCommand([
    'check',
    ...files,
    '--https-port',
    '5443',
    '--tls-cert',
    '/no.pem',
    '--tls-key',
    '/no.key',
  ]);
  assert.is(code, 2);
  for (const part of ['/nowhere cannot be read', 'line 2: "what is this"', '/no.pem', '/no.key'])
    assert.match(err, part);
});

tests('check: a certificate that ends soon is valid, and said', async () => {
  const directory = temporaryState();
  const authority = new Authority(directory);
  const say = async (days: number): Promise<string> => {
    const { cert, key } = authority.issue(['DNS:a.test'], days);
    const [certFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    writeFileSync(certFile, cert + authority.cert);
    writeFileSync(keyFile, key);
    const files = ['--tls-cert', certFile, '--tls-key', keyFile];
    const { code, out, err } = await torcCommand(['check', '--https-port', '5443', ...files]);
    assert.is(code, 0, err);
    return out;
  };
  assert.match(await say(10), /warn: .*cert\.pem expires in 9 days, on /);
  assert.not.match(await say(20), /expires/);
});

/** What bash offers behind these words. */
function offered(...words: string[]): string[] {
  const ask = `complete() { :; }; source <(${process.execPath} ${command} completion bash)
    COMP_WORDS=(${words.map(word => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _torc; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', ask], { encoding: 'utf8' });
  assert.is(stderr, '');
  return stdout.trim().split('\n');
}

tests('completion in bash: commands, flags, and the values of those that have few', () => {
  assert.equal(offered('torc', 'st').sort(), ['start', 'status']);
  assert.ok(offered('torc', 'status', '--').includes('--json'));
  assert.equal(offered('torc', 'status', '--re').includes('--replicas'), true);
  assert.ok(offered('torc', '--driver', '').includes('process'));
  assert.equal(offered('torc', 'completion', 'z'), ['zsh']);
});

if (spawnSync('zsh', ['--version']).status !== 0) tests.skip('completion in zsh: no zsh', () => {});
else
  tests('completion in zsh is read by zsh', async () => {
    const file = join(temporaryState(), '_torc');
    writeFileSync(file, (await torcCommand(['completion', 'zsh'])).out);
    const { status, stderr } = spawnSync('zsh', ['-n', file], { encoding: 'utf8' });
    assert.equal([status, stderr], [0, '']);
  });

tests.run();
