// The settings file, a Compose service in it or beside it, and what they mean together with flags and environment.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Loaded, loadConfig } from '../../src/config/load.ts';

const file = suite('config file');

function load(
  files: Readonly<Record<string, string>>,
  argv: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Loaded {
  return loadConfig(env, argv, { cwd: '/srv', readFile: path => files[path] ?? null });
}

function settings(...args: Parameters<typeof load>) {
  const loaded = load(...args);
  if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));
  return loaded;
}

function faults(...args: Parameters<typeof load>): readonly string[] {
  const loaded = load(...args);
  return loaded.kind === 'faults' ? loaded.faults : [];
}

file(
  'torc.yaml of the working directory is read; flags win over the environment, and that over the file',
  () => {
    const files = {
      '/srv/torc.yaml':
        'replicas: 5\nheartbeat-path: /up\nhost: 0.0.0.0\nservedBy:\nserved-by: false\nkey: [header:x-user, path]\n',
    };
    assert.match(faults(files)[0]!, /^torc.yaml:4: servedBy: is no setting of torc/);
    files['/srv/torc.yaml'] = files['/srv/torc.yaml'].replace('servedBy:\n', '');
    const { config } = settings(files);
    assert.equal(
      [config.replicas, config.heartbeatPath, config.host, config.servedBy],
      [5, '/up', '0.0.0.0', false],
    );
    assert.equal(
      config.key.map(({ text }) => text),
      ['header:x-user', 'path'],
    );
    assert.is(settings(files, [], { TORC_REPLICAS: '6' }).config.replicas, 6);
    assert.is(settings(files, ['--replicas', '7'], { TORC_REPLICAS: '6' }).config.replicas, 7);
  },
);

file('--config and TORC_CONFIG name another one, and it must be there', () => {
  assert.is(settings({ '/etc/t.yaml': 'replicas: 2' }, ['--config', '/etc/t.yaml']).config.replicas, 2);
  assert.is(settings({ '/srv/t.yaml': 'replicas: 2' }, [], { TORC_CONFIG: 't.yaml' }).config.replicas, 2);
  assert.match(faults({}, ['--config', 'no.yaml'])[0]!, /TORC_CONFIG: "no.yaml" is not there/);
});

file('every fault comes at once, with its line', () => {
  const text =
    'replicas: many\nheartbeat-pth: /x\nTORC_SPARES: 1\nworkers: {a: 1}\nconfig: x\nport: [1, 2]\n';
  assert.equal(faults({ '/srv/torc.yaml': text }), [
    'torc.yaml:2: heartbeat-pth: is no setting of torc; did you mean heartbeat-path?',
    'torc.yaml:3: TORC_SPARES: is no setting of torc; did you mean spares?',
    'torc.yaml:4: workers: a map stands where one value must; allowed: auto (one per available core), or a whole number, 1 to 256',
    'torc.yaml:5: config: a settings file names no other; allowed: --config',
    'torc.yaml:6: port: a list stands where one value must; allowed: a whole number, 1 to 65535',
    'torc.yaml:1: replicas: "many" is not a whole number; allowed: a whole number, 1 to 1000',
  ]);
  assert.match(
    faults({ '/srv/torc.yaml': 'replicas: 1\nreplicas: 2\n' })[0]!,
    /^torc.yaml: line 2, column 1: /,
  );
  assert.match(faults({ '/srv/torc.yaml': 'a: "x' })[0]!, /^torc.yaml: line 1, column \d+: /);
  assert.match(faults({ '/srv/torc.yaml': '- a' })[0]!, /a list stands where settings must/);
});

file('replica: is a Compose service; with an image it means Docker', () => {
  const text = `
replicas: 2
replica:
  image: example/app:\${TAG:-1}
  ports: ["8080:3000"]
  volumes: ["data-{{slot}}:/data", ./conf:/conf:ro]
  networks: [back]
networks: {back: {external: true, name: shop_back}}
`;
  const { config, meant, notes } = settings({ '/srv/torc.yaml': text });
  assert.equal(
    [config.driver, config.image, config.replicaPort, config.replicas],
    ['docker', 'example/app:1', 3000, 2],
  );
  assert.is(meant!.by, 'the image of torc.yaml: replica');
  assert.is(config.service!.service.volumes![1]!.source, '/srv/conf');
  assert.equal(config.service!.networks, { back: { name: 'shop_back', external: true } });
  assert.match(notes.map(note => note.text).join(), /no replica is published/);
  const without = settings({ '/srv/torc.yaml': 'replica: {image: x}' }).config.service!.service;
  assert.is(without.networks, undefined, 'no network of a project that nobody has');
});

file('what settings are wrong together is told by the line of the one that a file has', () => {
  const files = { '/srv/torc.yaml': 'retries: 1\nreturn: gradual' };
  const fault = ': gradual takes its time from TORC_SLOW_START_MS, which is 0; allowed: set both';
  assert.equal(faults(files), [`torc.yaml:2: return${fault}`]);
  assert.equal(faults(files, ['--return', 'gradual']), [`TORC_RETURN${fault}`], 'a flag stands above it');
  assert.equal(faults({}, [], { TORC_RETURN: 'gradual' }), [`TORC_RETURN${fault}`]);
});

file('replica: without an image is a child process', () => {
  const { config } = settings({ '/srv/torc.yaml': 'replica: {command: "python3 app.py --port {{port}}"}' });
  assert.is(config.driver, 'process');
  assert.equal(config.service!.service.command, ['/bin/sh', '-c', 'python3 app.py --port {{port}}']);
  assert.match(
    faults({ '/srv/torc.yaml': 'driver: docker\nreplica: {command: x}' })[0]!,
    /^torc.yaml:1: driver: is docker, and torc.yaml: replica names a command and no image/,
  );
  assert.match(
    faults({ '/srv/torc.yaml': 'replica: {imag: x}' })[0]!,
    /^torc.yaml:1: replica.imag: is no key here; did you mean image\?/,
  );
});

const compose = {
  '/srv/app/compose.yaml':
    'services:\n  web: {image: "web:$V", env_file: e.env, scale: 4}\n  db: {image: db}\n',
  '/srv/app/more.yaml': 'services: {web: {environment: {B: "2"}}}',
  '/srv/app/e.env': 'A=1',
  '/srv/app/.env': 'V=7',
};

file('--compose FILE --service NAME takes the service of a Compose file, or of several', () => {
  const { config } = settings(compose, [
    '--compose',
    'app/compose.yaml',
    '--compose',
    'app/more.yaml',
    '--service',
    'web',
  ]);
  assert.equal(config.service!.service.environment, { A: '1', B: '2' });
  assert.equal([config.image, config.replicas, config.driver], ['web:7', 4, 'docker']);
  const ofEnv = settings(compose, [], {
    TORC_COMPOSE: 'app/compose.yaml,app/more.yaml',
    TORC_COMPOSE_SERVICE: 'web',
  });
  assert.equal(ofEnv.config.service, config.service);
  assert.match(
    faults(compose, ['--compose', 'app/compose.yaml'])[0]!,
    /app\/compose.yaml: which service is a replica\? allowed: --service NAME; its services: web, db/,
  );
  assert.match(faults(compose, ['--service', 'web'])[0]!, /TORC_COMPOSE_SERVICE: names a service of no file/);
  const inFile = settings(
    { ...compose, '/srv/conf/torc.yaml': 'compose: ../app/compose.yaml\nservice: db' },
    ['--config', 'conf/torc.yaml'],
  );
  assert.is(inFile.config.image, 'db', 'paths in the settings file are below it');
});

file('what is said twice is a fault', () => {
  const argv = ['--compose', 'app/compose.yaml', '--service', 'web'];
  assert.match(
    faults(compose, [...argv, '--image', 'x'])[0]!,
    /TORC_IMAGE: app\/compose.yaml: web says what runs/,
  );
  assert.match(
    faults(compose, [...argv, '--replica-command', 'x'])[0]!,
    /TORC_REPLICA_COMMAND: app\/compose.yaml: web says what runs/,
  );
  assert.match(faults(compose, [...argv, '--replicas', '2'])[0]!, /scale: 4, and TORC_REPLICAS=2/);
  assert.match(faults(compose, [...argv, '--upstreams', 'a:1']).join(), /TORC_UPSTREAMS: is read by/);
  assert.match(
    faults({ ...compose, '/srv/torc.yaml': 'replica: {image: x}' }, argv)[0]!,
    /TORC_COMPOSE: torc.yaml has a replica, too/,
  );
});

file.run();
