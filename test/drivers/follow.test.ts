// How a followed container is read and reached, by tables: pure functions of what the engine says of it. What the engine
// really says is in test/docker/follow.test.ts.

import type Docker from 'dockerode';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { followed } from '../../src/drivers/follow/container.ts';
import { type Here, portOf, wayTo } from '../../src/drivers/follow/reach.ts';

const test = suite('follow');

interface Container {
  readonly state?: Partial<Docker.ContainerInspectInfo['State']>;
  readonly labels?: Record<string, string>;
  readonly exposed?: string[];
  readonly bindings?: Record<string, { HostIp: string; HostPort: string }[]>;
  readonly networks?: Record<string, string>;
  readonly mode?: string;
}

function container({
  state = {},
  labels = {},
  exposed = [],
  bindings = {},
  networks = {},
  mode = 'web_default',
}: Container): Docker.ContainerInspectInfo {
  return {
    Id: 'c1',
    Name: '/shop-web-1',
    Image: 'sha256:0123456789abcdef',
    State: {
      Status: 'running',
      StartedAt: '2026-11-30T05:04:16.466780846Z',
      ExitCode: 0,
      OOMKilled: false,
      ...state,
    },
    Config: {
      Image: 'shop:2',
      Labels: labels,
      ExposedPorts: Object.fromEntries(exposed.map(port => [port, {}])),
    },
    HostConfig: { NetworkMode: mode, PortBindings: bindings },
    NetworkSettings: {
      Ports: bindings,
      Networks: Object.fromEntries(
        Object.entries(networks).map(([name, IPAddress]) => [name, { NetworkID: `id-${name}`, IPAddress }]),
      ),
    },
  } as unknown as Docker.ContainerInspectInfo;
}

const onHost: Here = {
  networks: null,
  self: '',
  isBridgeHere: () => true,
  engineHost: '127.0.0.1',
  reach: 'auto',
};
const elsewhere: Here = { ...onHost, isBridgeHere: () => false };
const inContainer: Here = { ...onHost, networks: new Set(['id-b']), self: 'lb', isBridgeHere: () => false };

function way(of: Container, here: Here, setting: number | null = null): string {
  const info = container(of);
  const port = portOf(info, setting);
  if ('fault' in port) return port.fault;
  const found = wayTo(info, port.port, here);
  return 'fault' in found ? found.fault : `${found.host}:${found.port}, ${found.by}`;
}

const two = { exposed: ['80/tcp'], networks: { a: '10.0.0.2', b: '10.0.1.2' } };
const published = { ...two, bindings: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '32768' }] } };

test('on the host: the address on a bridge of this machine', () => {
  assert.is(way(two, onHost), '10.0.0.2:80, its address on the network a');
  assert.is(
    way(two, { ...onHost, isBridgeHere: id => id === 'id-b' }),
    '10.0.1.2:80, its address on the network b',
  );
});

test("a port is known by EXPOSE, or by the service's expose, which Compose writes without a protocol", () => {
  assert.is(way({ ...two, exposed: ['8000'] }, onHost), '10.0.0.2:8000, its address on the network a');
  assert.match(
    way({ ...two, exposed: ['8000', '8001-8002/tcp', '53/udp'] }, onHost),
    'several ports (8000, 8001, 8002)',
  );
  assert.match(way({ ...two, exposed: ['53/udp'] }, onHost), 'no port is known');
});

test('in a container: the network that both are on, and what to do where there is none', () => {
  assert.is(way(two, inContainer), '10.0.1.2:80, its address on the network b');
  assert.is(
    way({ ...published, networks: { a: '10.0.0.2' } }, inContainer),
    "torc's container lb is on none of its networks (a): docker network connect a lb",
  );
});

test('bridges elsewhere (Docker Desktop, another machine): the published port', () => {
  assert.is(way(published, elsewhere), '127.0.0.1:32768, its port 80, published on 127.0.0.1');
  assert.is(
    way(published, { ...elsewhere, engineHost: 'build7' }),
    'build7:32768, its port 80, published on build7',
  );
  const bound = [{ HostIp: '192.0.2.7', HostPort: '80' }];
  assert.is(
    way({ ...two, bindings: { '80/tcp': bound } }, elsewhere),
    '192.0.2.7:80, its port 80, published on 192.0.2.7',
  );
  assert.is(
    way(two, elsewhere),
    'none of its networks (a, b) is on this machine: publish its port (ports: ["80"]), or run torc in a container on a',
  );
});

test('TORC_DOCKER_REACH decides', () => {
  assert.match(way(published, { ...onHost, reach: 'published' }), /^127\.0\.0\.1:32768/);
  assert.is(
    way(two, { ...onHost, reach: 'published' }),
    'its port 80 is not published: publish its port (ports: ["80"])',
  );
  assert.match(way(published, { ...elsewhere, reach: 'ip' }), /TORC_DOCKER_REACH=ip asks/);
});

test("the host's network, and none", () => {
  const host = { exposed: ['80/tcp'], mode: 'host' };
  assert.is(way(host, onHost), "127.0.0.1:80, the host's network");
  assert.match(way(host, inContainer), /torc's container lb is not: run torc with network_mode: host/);
  assert.is(way({ exposed: ['80/tcp'], mode: 'none' }, onHost), 'it is on no network');
});

test('the port: what was set, the label, the only one, or a fault that names them', () => {
  const port = (of: Container, setting: number | null = null): unknown =>
    Object.values(portOf(container(of), setting))[0];
  assert.is(port({ exposed: ['80/tcp', '443/tcp'] }, 8080), 8080);
  assert.is(port({ exposed: ['80/tcp', '443/tcp'], labels: { 'torc.port': '443' } }), 443);
  assert.is(port({ exposed: ['80/tcp', '53/udp'] }), 80);
  assert.is(port({ bindings: { '3000/tcp': [] } }), 3000);
  assert.is(port({ exposed: ['80/tcp', '443/tcp'], bindings: { '443/tcp': [] } }), 443);
  assert.is(
    port({ exposed: ['443/tcp', '80/tcp'] }),
    'it has several ports (80, 443): say which with TORC_REPLICA_PORT, or with the label torc.port=PORT on the container',
  );
  assert.match(
    port({}) as string,
    /^no port is known: neither its image EXPOSEs one nor its service; say which/,
  );
  assert.is(port({ labels: { 'torc.port': 'http' } }), 'its label torc.port="http" is no port');
});

test('what a container is doing', () => {
  const presence = (state: NonNullable<Container['state']>, stopping: string | null = null): string => {
    const found = followed(container({ state }), true, stopping);
    return found === null ? '-' : `${found.presence}: ${found.ended}`;
  };
  assert.equal(
    [
      presence({}),
      presence({ Status: 'paused' }),
      presence({}, 'docker kill, SIGTERM'),
      presence({ Status: 'created' }),
      presence({ Status: 'restarting', ExitCode: 1 }),
      presence({ Status: 'exited', ExitCode: 137, OOMKilled: true }),
      presence({ Status: 'removing' }),
    ],
    [
      'here: ',
      'here: ',
      'going: docker kill, SIGTERM',
      'coming: it was made, but not started yet',
      'coming: the engine restarts it: exit code 1',
      'ended: exit code 137 (SIGKILL), out of memory',
      '-',
    ],
  );
});

test("the seat: Compose's number, or a label; a task of `docker compose run` is no replica", () => {
  const labels = { 'com.docker.compose.container-number': '4', 'torc.slot': 'blue' };
  assert.is(followed(container({ labels }), true, null)!.seat, '4');
  assert.is(followed(container({ labels }), false, null)!.seat, 'blue');
  assert.is(followed(container({}), false, null)!.seat, null);
  assert.is(
    followed(container({ labels: { ...labels, 'com.docker.compose.oneoff': 'True' } }), true, null),
    null,
  );
});

test('another run of the same container is another replica', () => {
  const first = followed(container({}), true, null)!;
  const second = followed(container({ state: { StartedAt: '2026-11-30T06:00:00Z' } }), true, null)!;
  assert.is.not(first.runId, second.runId);
});

test.run();
