// Where the engine is: DOCKER_HOST, a docker context or the usual socket, as the docker command has it.

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { engineAddress } from '../../src/drivers/docker/address.ts';

const test = suite('engine address');
const home = mkdtempSync(join(tmpdir(), 'torctest-'));
const config = join(home, '.docker');

function writeContext(name: string, docker: object, tls: Record<string, string> = {}): void {
  const id = createHash('sha256').update(name).digest('hex');
  mkdirSync(join(config, 'contexts', 'meta', id), { recursive: true });
  writeFileSync(
    join(config, 'contexts', 'meta', id, 'meta.json'),
    JSON.stringify({ Name: name, Metadata: {}, Endpoints: { docker } }),
  );
  for (const [file, text] of Object.entries(tls)) {
    mkdirSync(join(config, 'contexts', 'tls', id, 'docker'), { recursive: true });
    writeFileSync(join(config, 'contexts', 'tls', id, 'docker', file), text);
  }
}
const useContext = (name: string): void =>
  writeFileSync(join(config, 'config.json'), JSON.stringify({ auths: {}, currentContext: name }));

const { words, options } = {
  words: (env: Record<string, string>) => engineAddress(env, home).words,
  options: (env: Record<string, string>) => engineAddress(env, home).options,
};
const fault = (env: Record<string, string>): string => {
  try {
    return `no fault: ${words(env)}`;
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
};

test.before(() => {
  writeContext('colima', { Host: 'unix:///home/a/.colima/docker.sock', SkipTLSVerify: false });
  writeContext('far', { Host: 'tcp://10.0.0.1:2376' }, { 'ca.pem': 'A', 'cert.pem': 'C', 'key.pem': 'K' });
  writeContext('lax', { Host: 'tcp://10.0.0.1:2376', SkipTLSVerify: true });
  writeContext('shell', { Host: 'ssh://me@host' });
});
test.before.each(() => rmSync(join(config, 'config.json'), { force: true }));
test.after(() => rmSync(home, { recursive: true, force: true }));

test('nothing is said: the usual socket, or that of Docker Desktop', () => {
  assert.is(words({}), '/var/run/docker.sock');
  mkdirSync(join(config, 'run'));
  writeFileSync(join(config, 'run', 'docker.sock'), '');
  assert.is(options({}).socketPath, join(config, 'run', 'docker.sock'));
  rmSync(join(config, 'run'), { recursive: true });
});

test('the current context, DOCKER_CONTEXT and DOCKER_HOST, each over the one before', () => {
  useContext('colima');
  assert.is(words({}), 'unix:///home/a/.colima/docker.sock (docker context colima)');
  assert.is(options({}).socketPath, '/home/a/.colima/docker.sock');
  assert.match(words({ DOCKER_CONTEXT: 'far' }), 'tcp://10.0.0.1:2376 (docker context far)');
  assert.is(words({ DOCKER_CONTEXT: 'default' }), '/var/run/docker.sock');
  assert.is(options({ DOCKER_CONTEXT: 'far', DOCKER_HOST: 'unix:///x.sock' }).socketPath, '/x.sock');
  assert.match(engineAddress({ DOCKER_CONFIG: config }, '/nowhere').words, /colima/);
});

test('a context has its own TLS files', () => {
  const { protocol, host, port, ca, cert, key, agent } = options({ DOCKER_CONTEXT: 'far' });
  assert.equal(
    [protocol, host, port, ca, cert, key, agent],
    ['https', '10.0.0.1', '2376', 'A', 'C', 'K', undefined],
  );
  const lax = options({ DOCKER_CONTEXT: 'lax' });
  assert.equal([lax.protocol, lax.agent?.options.rejectUnauthorized], ['https', false]);
});

test('tcp: plain, or with TLS files where the environment says so', () => {
  const plain = options({ DOCKER_HOST: 'tcp://10.0.0.1' });
  assert.equal([plain.protocol, plain.host, plain.port, plain.ca], ['http', '10.0.0.1', 2375, undefined]);
  assert.is(options({ DOCKER_HOST: '10.0.0.1:4000' }).port, '4000');
  const files = join(home, 'files');
  mkdirSync(files);
  for (const name of ['ca', 'cert', 'key']) writeFileSync(join(files, `${name}.pem`), name);
  for (const env of [
    { DOCKER_HOST: 'tcp://10.0.0.1', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: files },
    { DOCKER_HOST: 'tcp://10.0.0.1:2376', DOCKER_CERT_PATH: files },
    { DOCKER_HOST: 'tcp://10.0.0.1:2376', DOCKER_CONFIG: files },
  ] as Record<string, string>[]) {
    const { protocol, port, ca, cert, key } = options(env);
    assert.equal([protocol, Number(port), ca, cert, key], ['https', 2376, 'ca', 'cert', 'key']);
  }
  rmSync(join(files, 'ca.pem'));
  assert.match(
    fault({ DOCKER_HOST: 'tcp://10.0.0.1', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: files }),
    `StartError: ${join(files, 'ca.pem')} is not there: the engine is asked over TLS`,
  );
});

test('what cannot be reached says so, and what to use', () => {
  for (const env of [{ DOCKER_HOST: 'ssh://me@host' }, { DOCKER_CONTEXT: 'shell' }] as Record<
    string,
    string
  >[])
    assert.match(
      fault(env),
      /^StartError: (DOCKER_HOST|docker context shell): ssh:\/\/me@host: torc does not reach .* ssh -nNT -L \/tmp\/docker\.sock:\/var\/run\/docker\.sock me@host/,
    );
  assert.match(fault({ DOCKER_HOST: 'npipe:////./pipe/docker_engine' }), 'which only Windows has');
  assert.match(fault({ DOCKER_HOST: 'fd://3' }), /"fd:\/\/3" is no address of an engine; allowed: unix:/);
  assert.match(fault({ DOCKER_HOST: 'tcp://a b' }), /is no address; allowed: unix:/);
});

test('a context or configuration that is broken is told', () => {
  assert.match(fault({ DOCKER_CONTEXT: 'gone' }), /docker context gone is not there .*docker context ls/);
  useContext('gone');
  assert.match(fault({}), /docker context gone is not there/);
  writeContext('empty', {});
  assert.match(fault({ DOCKER_CONTEXT: 'empty' }), /docker context empty: "" is no address/);
  for (const text of ['{', '3', 'null']) {
    writeFileSync(join(config, 'config.json'), text);
    assert.match(fault({}), /config\.json is not JSON/);
  }
  assert.is(words({ DOCKER_HOST: 'unix:///x.sock' }), 'unix:///x.sock', 'which nobody asks then');
});

test.run();
