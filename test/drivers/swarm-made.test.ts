// A service that torc makes of Compose's words: each word's place in the specification, what is refused and with what advice, and
// what is looked up before. Written as `docker stack deploy` writes it: test/swarm compares the two on a real swarm.

import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/core/clock.ts';
import { madeSpec } from '../../src/drivers/swarm/made.ts';
import { makeService } from '../../src/drivers/swarm/make.ts';
import { Managers } from '../../src/drivers/swarm/managers.ts';
import { mountNotes } from '../../src/drivers/swarm/mounts.ts';
import type { SwarmServiceSpec } from '../../src/drivers/swarm/objects.ts';
import { madeFaults } from '../../src/drivers/swarm/refused.ts';
import { serviceKeys } from '../../src/service/keys.ts';
import { loadCompose } from '../../src/service/load.ts';
import type { ServiceProject } from '../../src/service/service.ts';
import { takeService } from '../../src/service/taken.ts';
import { FakeSwarm, fakeManager, SPEC } from '../support/fake-swarm.ts';

const test = suite('swarm-made');

/** Of a Compose file's text; `lines` are the service's. */
function projectOf(lines: string, rest = ''): ServiceProject {
  const text = `name: p\nservices:\n  app:\n    image: app:1\n${lines.replace(/^(?=.)/gm, '    ')}\n${rest}`;
  const loaded = loadCompose(['compose.yaml'], 'app', {
    cwd: '/shop',
    env: {},
    readFile: path => (path === join('/shop', 'compose.yaml') ? text : null),
  });
  if (loaded.project === null) throw new Error(loaded.faults.join('\n'));
  const taken = takeService(loaded.project, {
    title: 'compose.yaml: app',
    composeFlags: '',
    replicas: null,
    port: null,
    isSwarm: true,
  });
  assert.equal(taken.faults, []);
  return taken.project;
}

const IDS = { secrets: new Map([['db-2', 'secret-id']]), configs: new Map([['conf', 'config-id']]) };
const making = (lines: string, rest = '', network: string | null = null): SwarmServiceSpec =>
  madeSpec({
    name: 'web',
    owner: 'me',
    image: 'app:1',
    port: 8080,
    replicas: 3,
    network,
    files: IDS,
    project: projectOf(lines, rest),
  });
const containerIn = ({ TaskTemplate }: SwarmServiceSpec): Record<string, unknown> =>
  TaskTemplate.ContainerSpec!;

test('slots in its environment, updates that start first, least privilege', () => {
  const spec = making("environment: [ 'DATA=/data/{{slot}}', KEEP ]\ncommand: [serve, -v]");
  const container = containerIn(spec);
  assert.equal(container.Env, [
    'PORT=8080',
    'SERVER_ID={{.Task.Slot}}',
    'SLOT={{.Task.Slot}}',
    'DATA=/data/{{.Task.Slot}}',
    'KEEP',
  ]);
  assert.equal(
    [container.Args, container.Command, container.CapabilityDrop],
    [['serve', '-v'], undefined, ['ALL']],
  );
  assert.is(spec.UpdateConfig?.Order, 'start-first');
  assert.equal(spec.Labels, { 'torc.owner': 'me', 'torc.port': '8080' });
  assert.equal(spec.EndpointSpec?.Ports, [{ Protocol: 'tcp', TargetPort: 8080, PublishMode: 'host' }]);
});

test('torc on an overlay: the service is on it, beside its own networks, and publishes nothing', () => {
  const spec = making(
    'networks: { back: { aliases: [db] }, default: }',
    'networks: { back: { name: back-ov } }',
    'front-ov',
  );
  assert.equal(spec.TaskTemplate.Networks, [{ Target: 'front-ov' }, { Target: 'back-ov', Aliases: ['db'] }]);
  assert.equal(spec.EndpointSpec?.Ports, []);
});

test('volumes: named ones, one for each slot, external ones, folders, memory', () => {
  const spec = making(
    `volumes:
  - data:/data
  - 'own-{{slot}}:/own:ro'
  - shared:/shared
  - /cache
  - ./conf:/conf:ro,rslave
  - { type: tmpfs, target: /mem, tmpfs: { size: 1m, mode: '0700' } }
tmpfs: [ /run, '/tmp:size=64m,mode=1770' ]`,
    `volumes:
  data: { driver_opts: { type: nfs, device: ':/x' }, labels: { team: a } }
  shared: { external: true, name: all-of-us }`,
  );
  const labels = (volume: string) => ({
    'com.docker.compose.project': 'p',
    'com.docker.compose.volume': volume,
  });
  assert.equal(containerIn(spec).Mounts, [
    { Type: 'volume', Target: '/cache', VolumeOptions: {} },
    { Type: 'tmpfs', Target: '/mem', TmpfsOptions: { SizeBytes: 1_048_576, Mode: 0o700 } },
    { Type: 'tmpfs', Target: '/run', TmpfsOptions: {} },
    { Type: 'tmpfs', Target: '/tmp', TmpfsOptions: { SizeBytes: 67_108_864, Mode: 0o1770 } },
    {
      Type: 'bind',
      Source: '/shop/conf',
      Target: '/conf',
      ReadOnly: true,
      BindOptions: { Propagation: 'rslave' },
    },
    { Type: 'volume', Source: 'all-of-us', Target: '/shared', VolumeOptions: {} },
    {
      Type: 'volume',
      Source: 'p_data',
      Target: '/data',
      VolumeOptions: {
        Labels: { team: 'a', ...labels('data') },
        DriverConfig: { Options: { type: 'nfs', device: ':/x' } },
      },
    },
    {
      Type: 'volume',
      Source: 'p_own-{{.Task.Slot}}',
      Target: '/own',
      ReadOnly: true,
      VolumeOptions: { Labels: labels('own-{{.Task.Slot}}') },
    },
  ]);
  assert.equal(mountNotes(projectOf('volumes: [ ./conf:/conf ]').service), [
    'volumes, /conf: /shop/conf has to be there on every node that runs a task: Swarm makes no folder',
  ]);
});

test("secrets and configs are the swarm's own, by name and id", () => {
  const spec = making(
    `secrets: [ db, { source: db, target: again, uid: '1000', mode: 0400 } ]
configs: [ conf, { source: conf, target: /etc/app.conf } ]`,
    'secrets: { db: { external: true, name: db-2 } }\nconfigs: { conf: { external: true } }',
  );
  const { Secrets, Configs } = containerIn(spec);
  const secret = { SecretID: 'secret-id', SecretName: 'db-2' };
  assert.equal(Secrets, [
    { File: { Name: 'db', UID: '0', GID: '0', Mode: 0o444 }, ...secret },
    { File: { Name: 'again', UID: '1000', GID: '0', Mode: 0o400 }, ...secret },
  ]);
  const config = { ConfigID: 'config-id', ConfigName: 'conf' };
  assert.equal(Configs, [
    { File: { Name: 'conf', UID: '0', GID: '0', Mode: 0o444 }, ...config },
    { File: { Name: '/etc/app.conf', UID: '0', GID: '0', Mode: 0o444 }, ...config },
  ]);
});

test("deploy says it in Swarm's own words", () => {
  const spec = making(`deploy:
  labels: { team: a }
  endpoint_mode: vip
  placement:
    constraints: [ node.role == worker ]
    preferences: [ { spread: node.labels.zone } ]
    max_replicas_per_node: 2
  restart_policy: { condition: on-failure, delay: 3s, max_attempts: 4, window: 1m }
  update_config: { parallelism: 2, delay: 5s, order: stop-first, failure_action: pause, max_failure_ratio: 0.5 }
  resources:
    limits: { cpus: '0.5', memory: 64m, pids: 10 }
    reservations: { cpus: '0.25', memory: 32m, generic_resources: [ { discrete_resource_spec: { kind: gpu, value: 1 } } ] }`);
  assert.is(spec.Labels?.team, 'a');
  assert.is(spec.EndpointSpec?.Mode, 'vip');
  assert.equal(spec.TaskTemplate.Placement, {
    Constraints: ['node.role == worker'],
    Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }],
    MaxReplicas: 2,
  });
  assert.equal(spec.TaskTemplate.RestartPolicy, {
    Condition: 'on-failure',
    Delay: 3e9,
    MaxAttempts: 4,
    Window: 60e9,
  });
  assert.equal(spec.UpdateConfig, {
    Parallelism: 2,
    Delay: 5e9,
    FailureAction: 'pause',
    Monitor: 5e9,
    MaxFailureRatio: 0.5,
    Order: 'stop-first',
  });
  assert.equal(spec.TaskTemplate.Resources, {
    Limits: { MemoryBytes: 67_108_864, NanoCPUs: 5e8, Pids: 10 },
    Reservations: {
      MemoryBytes: 33_554_432,
      NanoCPUs: 25e7,
      GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } }],
    },
  });
});

test('what else a task may be told', () => {
  const spec = making(`extra_hosts: [ 'db:10.0.0.7' ]
dns: 10.0.0.2
dns_search: [ shop.lan ]
sysctls: { net.core.somaxconn: 1024 }
ulimits: { nofile: { soft: 10, hard: 20 }, nproc: 5 }
group_add: [ audio ]
stdin_open: true
logging: { driver: syslog, options: { tag: x } }`);
  const { Hosts, DNSConfig, Sysctls, Ulimits, Groups, OpenStdin } = containerIn(spec);
  assert.equal(
    { Hosts, DNSConfig, Sysctls, Ulimits, Groups, OpenStdin },
    {
      Hosts: ['10.0.0.7 db'],
      DNSConfig: { Nameservers: ['10.0.0.2'], Search: ['shop.lan'] },
      Sysctls: { 'net.core.somaxconn': '1024' },
      Ulimits: [
        { Name: 'nofile', Soft: 10, Hard: 20 },
        { Name: 'nproc', Soft: 5, Hard: 5 },
      ],
      Groups: ['audio'],
      OpenStdin: true,
    },
  );
  assert.equal(spec.TaskTemplate.LogDriver, { Name: 'syslog', Options: { tag: 'x' } });
});

// Refused, each with what to do.

for (const [lines, rest, fault] of [
  ['privileged: true', '', 'privileged: Swarm gives a task nothing of the kind; take it out'],
  ['shm_size: 64m', '', 'shm_size: Swarm gives a task nothing of the kind; say tmpfs: /dev/shm:size=...'],
  ['mem_reservation: 64m', '', 'say deploy.resources.reservations.memory'],
  ["command: [ serve, '{{slot}}' ]", '', 'command: Swarm fills in {{slot}} in environment, hostname and vol'],
  ["environment: { A: '{{generation}}' }", '', 'environment: Swarm counts no {{generation}}; take it out'],
  ['volumes: [ ./a:/a:z ]', '', 'volumes, /a: Swarm relabels nothing (z, Z)'],
  [
    'volumes: [ { type: image, source: x, target: /a } ]',
    '',
    'volumes, /a: torc gives a task no image; allowed',
  ],
  [
    'volumes: [ { type: volume, source: v, target: /a, volume: { subpath: b } } ]',
    'volumes: { v: }',
    'volumes, /a: subpath is for containers; mount the whole volume',
  ],
  [
    "tmpfs: [ '/run:noexec,size=1m' ]",
    '',
    'tmpfs, /run: Swarm takes no noexec; allowed: size=64m, mode=1770',
  ],
  [
    'secrets: [ db ]',
    'secrets: { db: { file: ./db.txt } }',
    'secrets.db: torc makes no secret of a swarm; docker secret create db /shop/db.txt, and external: true',
  ],
  [
    'configs: [ c ]',
    'configs: { c: { content: x } }',
    'configs.c: torc makes no config of a swarm; docker config create c -, and external: true in its place',
  ],
  ['deploy: { mode: global }', '', 'deploy.mode: global: such tasks have no slots; allowed: replicated'],
  [
    'deploy: { resources: { reservations: { devices: [ { capabilities: [gpu] } ] } } }',
    '',
    'deploy.resources.reservations.devices: Swarm knows generic_resources',
  ],
  ['networks: { back: { priority: 1 } }', 'networks: { back: }', 'networks.back.priority: Swarm has no such'],
] as const) {
  test(`refused: ${lines}`, () => {
    const faults = madeFaults(projectOf(lines, rest));
    assert.is(faults.length, 1, faults.join('\n'));
    assert.ok(faults[0]!.startsWith('service app: ') && faults[0]!.includes(fault), faults[0]);
  });
}

test('every key of a service is taken, or refused by name, here or with the file', () => {
  const before = ['build', 'env_file', 'label_file', 'profiles', 'links', 'restart', 'develop', 'attach'];
  for (const key of Object.keys(serviceKeys)) {
    if (before.includes(key)) continue;
    const project = projectOf('', '');
    const isList = ['volumes', 'tmpfs', 'secrets', 'configs'].includes(key);
    const service = { ...project.service, [key]: isList ? [] : { x: 1 } };
    const faults = madeFaults({ ...project, service: service as unknown as ServiceProject['service'] });
    assert.ok(faults.length === 0 || faults[0]!.includes(key), `${key}: ${faults}`);
  }
});

// Looked up before it is made.

async function made(
  lines: string,
  rest: string,
): Promise<{ swarm: FakeSwarm; fault: string; said: string[] }> {
  const swarm = new FakeSwarm(SPEC);
  swarm.isRemoved = true;
  swarm.secrets = [
    { ID: 's1', Spec: { Name: 'db' } },
    { ID: 's2', Spec: { Name: 'db-2' } },
  ];
  swarm.configs = [{ ID: 'c1', Spec: { Name: 'conf' } }];
  const fake = await fakeManager(swarm);
  const said: string[] = [];
  const say = (_: object, text: string): void => void said.push(text);
  try {
    const definition = { owner: 'me', image: 'app:1', replicas: 2, project: projectOf(lines, rest) };
    const fault = await makeService({
      name: 'web',
      managers: new Managers([fake.engine], systemClock),
      definition,
      port: 8080,
      networks: null,
      log: { debug: say, info: say, warn: say, error: say },
    }).then(
      () => '',
      (error: Error) => error.message,
    );
    return { swarm, fault, said };
  } finally {
    fake.close();
  }
}

test('ids of secrets and configs are looked up by their whole names', async () => {
  const rest = 'secrets: { db: { external: true } }\nconfigs: { conf: { external: true } }';
  const { swarm, fault, said } = await made('secrets: [db]\nconfigs: [conf]\nvolumes: [ /srv:/srv ]', rest);
  assert.is(fault, '');
  const { Secrets, Configs } = containerIn(swarm.service.Spec);
  assert.is((Secrets as { SecretID: string }[])[0]?.SecretID, 's1', 'and not s2, which begins so');
  assert.is((Configs as { ConfigID: string }[])[0]?.ConfigID, 'c1');
  assert.match(said[0]!, '/srv has to be there on every node');
});

test('what the swarm lacks is told at once, with the command that makes it; nothing is made', async () => {
  const { swarm, fault } = await made(
    'secrets: [a, b]\nconfigs: [c]\nnetworks: [back]',
    `secrets: { a: { external: true }, b: { external: true, name: b-3 } }
configs: { c: { external: true } }
networks: { back: { name: back-ov } }`,
  );
  assert.equal(fault.split('\n'), [
    'service app: secrets: the swarm has no secret a: docker secret create a FILE',
    'service app: secrets: the swarm has no secret b-3: docker secret create b-3 FILE',
    'service app: configs: the swarm has no config c: docker config create c FILE',
    'service app: networks.back: the swarm has no network back-ov: docker network create -d overlay --attachable back-ov',
  ]);
  assert.is(swarm.writeCount, 0);
});

test.run();
