// docker/stack.yaml: a shape that Compose's schema has (checked by docker compose, where it is), settings that torc takes, and
// what makes it work with several torcs: a port of each node, one network for all, and a service that is called as torc asks.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';

interface Service {
  readonly image: string;
  readonly networks: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly ports?: readonly { readonly mode: string; readonly published: number }[];
  readonly secrets?: readonly { readonly source: string; readonly target: string }[];
  readonly stop_grace_period: string;
  readonly deploy: {
    readonly mode?: string;
    readonly endpoint_mode?: string;
    readonly update_config: { readonly order: string };
    readonly restart_policy: { readonly delay: string };
  };
}

const path = join(import.meta.dirname, '..', '..', 'docker', 'stack.yaml');
/** As `docker stack deploy` reads it, with nothing set. */
const text = readFileSync(path, 'utf8').replace(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1');
const stack = parse(text) as {
  readonly services: Readonly<Record<'balancer' | 'web', Service>>;
  readonly networks: Readonly<Record<string, { readonly driver: string; readonly attachable: boolean }>>;
  readonly secrets: Readonly<Record<string, { readonly external: boolean }>>;
};
const { balancer, web } = stack.services;

const test = suite('stack');

test("torc's settings are settings, and name the service of the stack", () => {
  const token = balancer.environment.TORC_ADMIN_TOKEN_FILE!;
  const loaded = loadConfig({ ...balancer.environment, HOST: '0.0.0.0' }, [], {
    cwd: '/',
    readFile: each => (each === token ? 'x'.repeat(64) : null),
  });
  assert.is(loaded.kind, 'config', JSON.stringify(loaded));
  assert.is(balancer.environment.TORC_SERVICE, 'torc_web');
  assert.is(`/run/secrets/${balancer.secrets?.[0]?.target}`, token);
  assert.ok(stack.secrets[balancer.secrets![0]!.source]?.external);
});

test('a torc on each node, at its own port, on one network with the tasks', () => {
  assert.is(balancer.deploy.mode, 'global');
  assert.equal(
    balancer.ports?.map(({ mode, published }) => [mode, published]),
    [['host', 5000]],
  );
  assert.is(balancer.deploy.update_config.order, 'stop-first', 'a port is one torc');
  assert.equal(balancer.networks, web.networks);
  assert.ok(stack.networks[web.networks[0]!]?.attachable);
});

test("the tasks: a slot is never empty, and what dies at once does not hammer; torc's port is the program's", () => {
  assert.is(web.deploy.update_config.order, 'start-first');
  assert.is.not(web.deploy.restart_policy.delay, '0s');
  assert.is(web.deploy.endpoint_mode, 'dnsrr');
  assert.is(web.environment.PORT, balancer.environment.TORC_REPLICA_PORT);
  assert.is(web.environment.SERVER_ID, '{{.Task.Slot}}');
});

const hasCompose = spawnSync('docker', ['compose', 'version']).status === 0;
(hasCompose ? test : test.skip)('docker compose takes its shape', () => {
  const { status, stderr } = spawnSync('docker', ['compose', '-f', path, 'config', '--quiet'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.is(status, 0, stderr);
});

test.run();
