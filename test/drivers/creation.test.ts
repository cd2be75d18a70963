// What the engine is asked to make, as a pure function. What Compose makes of the same words is compared on a real engine
// (docker/compose-differential.test.ts); here is what is torc's own: today's container for an image alone, whose word wins,
// what is one replica's own, and what a difference is.

import type Docker from 'dockerode';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { differenceOf, plainOutput } from '../../src/drivers/docker/container.ts';
import { creationOf, digestOf, type Make } from '../../src/drivers/docker/creation.ts';
import type { ComposeService, ServiceProject } from '../../src/service/service.ts';

const spec = { slot: '4', generation: 2, spare: false };
const plain: Make = {
  owner: 'o',
  image: 'my/image:1',
  network: 'torc',
  port: 5000,
  reach: 'ip',
  capAdd: [],
  project: null,
  apiVersion: '1.41',
};

const projectOf = (
  service: Partial<ComposeService>,
  rest: Partial<Omit<ServiceProject, 'service'>> = {},
): ServiceProject => ({
  name: 'shop',
  serviceName: 'web',
  networks: {},
  volumes: {},
  secrets: {},
  configs: {},
  ...rest,
  service: { command: null, entrypoint: null, ...service },
});

const makeOf = (
  service: Partial<ComposeService>,
  rest: Partial<Omit<ServiceProject, 'service'>> = {},
  make: Partial<Make> = {},
): Make => ({ ...plain, project: projectOf(service, rest), ...make });

const optionsOf = (...args: Parameters<typeof makeOf>): Docker.ContainerCreateOptions =>
  creationOf('n', spec, makeOf(...args)).options;

const test = suite('creation');

test('an image alone: to the letter what it was before there were services', () => {
  assert.equal(creationOf('n', spec, plain), {
    options: {
      Image: 'my/image:1',
      Env: ['PORT=5000', 'SERVER_ID=4'],
      ExposedPorts: { '5000/tcp': {} },
      HostConfig: {
        NetworkMode: 'torc',
        PortBindings: {},
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges:true'],
        PidsLimit: 256,
        Memory: 536870912,
        RestartPolicy: { Name: 'no' },
        LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '1' } },
        Init: true,
      },
      name: 'n',
      Labels: {
        'torc.network': 'torc',
        'torc.owner': 'o',
        'torc.made-of': '15ebfe49868d',
        'torc.port': '5000',
        'torc.slot': '4',
        'torc.generation': '2',
        'torc.spare': 'false',
      },
    },
    volumes: [],
    connect: [],
    files: [],
  });
});

test('a service that says nothing keeps least privilege', () => {
  const { HostConfig } = optionsOf({});
  assert.equal(HostConfig, { ...creationOf('n', spec, plain).options.HostConfig });
});

for (const [what, service, expected] of [
  ['cap_add goes on top of the dropped ALL', { cap_add: ['CHOWN'] }, { CapDrop: ['ALL'], CapAdd: ['CHOWN'] }],
  ['cap_drop is taken as it stands', { cap_drop: ['NET_RAW'] }, { CapDrop: ['NET_RAW'] }],
  [
    'security_opt keeps no-new-privileges unless it speaks of it',
    { security_opt: ['apparmor=x'] },
    { SecurityOpt: ['no-new-privileges:true', 'apparmor=x'] },
  ],
  [
    'no-new-privileges can be taken back',
    { security_opt: ['no-new-privileges:false'] },
    { SecurityOpt: ['no-new-privileges:false'] },
  ],
  ['privileged is not half of it', { privileged: true }, { Privileged: true, CapDrop: [], SecurityOpt: [] }],
  ['a limit of memory', { mem_limit: '1073741824' }, { Memory: 1073741824, PidsLimit: 256 }],
  [
    'deploy wins over mem_limit, as in Compose',
    { mem_limit: '1', deploy: { resources: { limits: { memory: '2' } } } },
    { Memory: 2 },
  ],
  [
    'a reservation beyond the usual limit lifts that limit',
    { mem_reservation: '1073741824' },
    { Memory: 1073741824, MemoryReservation: 1073741824 },
  ],
  ['a log of its own', { logging: { driver: 'local' } }, { LogConfig: { Type: 'local', Config: {} } }],
  ['no init', { init: false }, { Init: false }],
  [
    'a device of the Container Device Interface is no path',
    { devices: [{ source: 'nvidia.com/gpu=0', target: 'nvidia.com/gpu=0', permissions: 'rwm' }] },
    { Devices: [], DeviceRequests: [{ Driver: 'cdi', DeviceIDs: ['nvidia.com/gpu=0'] }] },
  ],
  ['gpus', { gpus: [{ count: -1 }] }, { DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }] }],
] as [string, Partial<ComposeService>, Record<string, unknown>][]) {
  test(`the service's word wins: ${what}`, () => {
    const host = optionsOf(service).HostConfig as Record<string, unknown>;
    for (const [key, value] of Object.entries(expected)) assert.equal(host[key], value, key);
  });
}

test("TORC_CAP_ADD adds to the service's own", () => {
  const { HostConfig } = optionsOf({ cap_add: ['CHOWN'] }, {}, { capAdd: ['SETUID', 'CHOWN'] });
  assert.equal(HostConfig?.CapAdd, ['CHOWN', 'SETUID']);
  assert.equal(creationOf('n', spec, { ...plain, capAdd: ['SETUID'] }).options.HostConfig?.CapAdd, [
    'SETUID',
  ]);
});

test("{{slot}} and {{generation}} are the replica's own, in environment, hostname, volumes and their names", () => {
  const { options, volumes } = creationOf(
    'n',
    spec,
    makeOf(
      {
        environment: { ID: '{{slot}}-{{generation}}', OTHER: '{{.Names}}', NONE: null },
        hostname: 'web-{{slot}}',
        volumes: [
          { type: 'bind', source: '/srv/{{slot}}', target: '/data', bind: { create_host_path: true } },
          { type: 'volume', source: 'data', target: '/named' },
        ],
      },
      { volumes: { data: { name: 'shop-data-{{slot}}' } } },
    ),
  );
  assert.equal(options.Env, ['PORT=5000', 'SERVER_ID=4', 'ID=4-2', 'OTHER={{.Names}}', 'NONE']);
  assert.is(options.Hostname, 'web-4');
  assert.equal(options.HostConfig?.Binds, ['/srv/4:/data:rw']);
  assert.equal(options.HostConfig?.Mounts, [{ Type: 'volume', Source: 'shop-data-4', Target: '/named' }]);
  assert.equal(volumes, [{ key: 'data', volume: { name: 'shop-data-4' } }]);
});

test('PORT and SERVER_ID that the service sets itself are left to it', () => {
  assert.equal(optionsOf({ environment: { PORT: '80', SERVER_ID: 'x' } }).Env, ['PORT=80', 'SERVER_ID=x']);
});

test("torc's labels cannot be the service's", () => {
  const { Labels } = optionsOf({ labels: { 'torc.owner': 'me', mine: 'yes' } });
  assert.equal([Labels?.['torc.owner'], Labels?.mine], ['o', 'yes']);
});

const twoNetworks: Partial<ComposeService> = {
  networks: { back: { aliases: ['store'] }, front: { priority: 5 } },
};
const named = { networks: { back: { name: 'shop_back' }, front: { name: 'shop_front' } } };

test("the service's first network is the container's own, the others and torc's follow: connected before the start", () => {
  const { options, connect } = creationOf('n', spec, makeOf(twoNetworks, named));
  assert.is(options.HostConfig?.NetworkMode, 'shop_front');
  assert.equal(Object.keys(options.NetworkingConfig?.EndpointsConfig ?? {}), ['shop_front']);
  assert.equal(connect, [
    { network: 'shop_back', settings: { Aliases: ['web', 'store'] } },
    { network: 'torc', settings: {} },
  ]);
});

test('engines from 25 on take all networks at once', () => {
  const { options, connect } = creationOf('n', spec, makeOf(twoNetworks, named, { apiVersion: '1.45' }));
  assert.equal(Object.keys(options.NetworkingConfig?.EndpointsConfig ?? {}), [
    'shop_front',
    'shop_back',
    'torc',
  ]);
  assert.equal(connect, []);
});

test("a network of the service that is torc's own does for both", () => {
  const { options, connect } = creationOf(
    'n',
    spec,
    makeOf({ networks: { front: null } }, named, { network: 'shop_front' }),
  );
  assert.equal(options.NetworkingConfig?.EndpointsConfig, { shop_front: { Aliases: ['web'] } });
  assert.equal(connect, []);
});

test('files are mounted, contents copied, and what a volume covers is neither', () => {
  const { options, files } = creationOf(
    'n',
    spec,
    makeOf(
      {
        secrets: [{ source: 'key' }, { source: 'token', target: 'other', uid: '1000', mode: 0o400 }],
        configs: [{ source: 'site', target: '/etc/site' }],
        volumes: [{ type: 'volume', target: '/etc/site' }],
      },
      {
        secrets: {
          key: { name: 'shop_key', file: '/srv/key.pem' },
          token: { name: 'shop_token', environment: 'TOKEN', content: 's3cret' },
        },
        configs: { site: { name: 'shop_site', content: 'x' } },
      },
    ),
  );
  assert.equal(options.HostConfig?.Mounts, [
    { Type: 'volume', Target: '/etc/site' },
    { Type: 'bind', Source: '/srv/key.pem', Target: '/run/secrets/key', ReadOnly: true },
  ]);
  assert.equal(files, [
    {
      path: '/run/secrets/other',
      content: 's3cret',
      uid: 1000,
      gid: 0,
      mode: 0o400,
      hasOwner: true,
    },
  ]);
  assert.not.match(JSON.stringify(options), /s3cret/);
});

test('a change anywhere in the service is a difference, and says whose', () => {
  const make = makeOf({ environment: { A: '1' } });
  const info = (made: Make): Docker.ContainerInfo =>
    ({ Image: made.image, Labels: { 'torc.made-of': digestOf(made) } }) as unknown as Docker.ContainerInfo;
  assert.is(differenceOf(info(make), make), '');
  assert.match(
    differenceOf(info(make), makeOf({ environment: { A: '2' } })),
    /the definition of the service web has changed/,
  );
  assert.is(differenceOf(info(plain), { ...plain, port: 80 }), 'it was made with other settings');
  assert.match(differenceOf(info(plain), { ...plain, image: 'x' }), /the image my\/image:1, not x/);
});

test('how long to wait at the end, and a health check that is switched off', () => {
  const { StopTimeout, Healthcheck } = optionsOf({
    stop_grace_period: '1m30.5s',
    healthcheck: { disable: true },
  });
  assert.is(StopTimeout, 91);
  assert.equal(Healthcheck, { Test: ['NONE'] });
});

test('start_interval goes to engines that know it', () => {
  const healthcheck = { test: ['CMD', 'true'], start_interval: '250ms' };
  assert.equal(optionsOf({ healthcheck }).Healthcheck, { Test: ['CMD', 'true'] });
  assert.equal(optionsOf({ healthcheck }, {}, { apiVersion: '1.45' }).Healthcheck, {
    Test: ['CMD', 'true'],
    StartInterval: 250_000_000,
  });
});

test('the output of a container with a terminal comes without frames', () => {
  const frame = Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, 3]), Buffer.from('hi\n')]);
  assert.is(plainOutput(frame), 'hi\n');
  assert.is(plainOutput(Buffer.from('hello from a terminal\r\n')), 'hello from a terminal\r\n');
  assert.is(plainOutput(Buffer.alloc(0)), '');
});

test.run();
