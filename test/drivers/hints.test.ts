// What each engine event means, and who we are inside a container: pure functions, by tables.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exitInWords, hintOf } from '../../src/drivers/docker/hints.ts';
import { ownContainer, ownContainerId } from '../../src/drivers/docker/self.ts';

const test = suite('docker hints');

const kindOf = (
  Action: string,
  attributes: Record<string, string> = {},
  stopSignal: string | null = null,
): string => {
  const message = {
    Type: 'container',
    Action,
    Actor: { ID: 'c1', Attributes: { 'torc.network': 'torc', 'torc.owner': 'me', ...attributes } },
  };
  const hint = hintOf(message, 'torc', 'me', new Set(stopSignal === null ? [] : [stopSignal]));
  return hint === null ? '-' : `${hint.kind}: ${hint.cause}`;
};

test('events and what they mean', () => {
  assert.equal(
    [
      kindOf('kill', { signal: '15' }),
      kindOf('kill', { signal: '9' }),
      kindOf('kill', { signal: '19' }),
      kindOf('kill', { signal: '18' }),
      kindOf('kill', { signal: '28' }),
      kindOf('kill', { signal: '28' }, 'SIGWINCH'),
      kindOf('die', { exitCode: '137' }),
      kindOf('die', { exitCode: '0' }),
      kindOf('die', {}),
      kindOf('oom'),
      kindOf('destroy'),
      kindOf('health_status: unhealthy'),
      kindOf('health_status: healthy'),
      kindOf('pause'),
      kindOf('unpause'),
      kindOf('start'),
      kindOf('die', { 'torc.network': 'another' }),
      kindOf('die', { 'torc.owner': 'somebody' }),
    ],
    [
      'going: docker kill, SIGTERM',
      'going: docker kill, SIGKILL',
      '-',
      '-',
      '-',
      'going: docker kill, SIGWINCH',
      'gone: docker die, exit code 137 (SIGKILL)',
      'gone: docker die, exit code 0',
      'gone: docker die, exit code unknown',
      'going: docker oom, out of memory',
      'gone: docker destroy, the container was removed',
      "unhealthy: docker health_status, the image's health check fails",
      '-',
      'changed: docker pause',
      'changed: docker unpause',
      '-',
      '-',
      '-',
    ],
  );
});

test('a network disconnect names the container, and only of our network', () => {
  const of = (name: string) =>
    hintOf(
      { Type: 'network', Action: 'disconnect', Actor: { ID: 'n', Attributes: { name, container: 'c2' } } },
      'torc',
      'me',
      new Set(),
    );
  assert.equal(of('torc'), { kind: 'gone', replicaId: 'c2', cause: 'docker network disconnect' });
  assert.is(of('another'), null);
});

test("Podman's words for the same", () => {
  assert.equal(
    [kindOf('kill'), kindOf('died', { exitCode: '137' }), kindOf('remove')],
    [
      'changed: podman kill',
      'gone: docker die, exit code 137 (SIGKILL)',
      'gone: docker destroy, the container was removed',
    ],
  );
  // It names the container where Docker has the network.
  const message = {
    Type: 'network',
    Action: 'disconnect',
    Actor: { ID: 'c1', Attributes: { name: 'torc-1' } },
  };
  assert.equal(hintOf(message, 'torc', 'me', new Set()), {
    kind: 'changed',
    replicaId: 'c1',
    cause: 'network disconnect',
  });
});

test('exit codes in words', () => {
  assert.equal([1, 137, 143, 255].map(exitInWords), [
    'exit code 1',
    'exit code 137 (SIGKILL)',
    'exit code 143 (SIGTERM)',
    'exit code 255',
  ]);
});

test('our own container is read from what is mounted at /etc, never from what a host has mounted for others', () => {
  const id = 'a'.repeat(64);
  const inside = `600 590 8:1 /var/lib/docker/containers/${id}/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw`;
  const host = `700 30 0:50 / /var/lib/docker/containers/${id}/mounts/shm rw,nosuid - tmpfs shm rw,size=65536k`;
  assert.is(ownContainerId(`1 0 8:1 / / rw - ext4 /dev/sda1 rw\n${inside}`), id);
  assert.is(ownContainerId(host), null);
  assert.is(ownContainerId(''), null);
});

test('our own container: what is joined for it, and where it is published', () => {
  const container = (mode: string, ports: object = {}) =>
    ownContainer('me', {
      Image: 'i',
      Config: {},
      Mounts: [],
      HostConfig: { NetworkMode: mode },
      NetworkSettings: { Ports: ports },
    } as unknown as Parameters<typeof ownContainer>[1]);
  assert.equal(
    ['bridge', 'default', 'host', 'container:other', 'none'].map(mode => container(mode).joins),
    ['me', 'me', null, 'other', 'me'],
  );
  const binding = (HostIp: string) => [
    { HostIp, HostPort: '8080' },
    { HostIp: '::', HostPort: '9' },
  ];
  for (const [ip, url] of [
    ['127.0.0.1', 'http://127.0.0.1:8080'],
    ['0.0.0.0', 'http://127.0.0.1:8080'],
    ['', 'http://127.0.0.1:8080'],
    ['192.168.0.4', 'http://192.168.0.4:8080'],
    ['::1', 'http://[::1]:8080'],
  ] as const)
    assert.is(container('bridge', { '5000/tcp': binding(ip) }).publishedAt(5000), url);
  assert.is(container('bridge', { '5000/tcp': null, '80/tcp': binding('') }).publishedAt(5000), null);
});

test.run();
