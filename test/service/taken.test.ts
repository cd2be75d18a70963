// What torc makes of a service: honoured in its own way and noted, or refused by name with what to do; nothing in silence.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expand } from '../../src/service/expand.ts';
import { serviceKeys } from '../../src/service/keys.ts';
import { loadCompose } from '../../src/service/load.ts';
import { type Taken, takeService } from '../../src/service/taken.ts';

const taken = suite('service taken');

function take(yaml: string, set: { replicas?: number; port?: number; isSwarm?: boolean } = {}): Taken {
  const files: Record<string, string> = { '/app/compose.yaml': yaml, '/app/file.txt': 'x' };
  const loaded = loadCompose(['compose.yaml'], 'web', {
    cwd: '/app',
    env: {},
    readFile: path => files[path] ?? null,
  });
  if (loaded.project === null) throw new Error(loaded.faults.join('\n'));
  return takeService(loaded.project, {
    title: 'compose.yaml: web',
    composeFlags: '-f compose.yaml ',
    replicas: set.replicas ?? null,
    port: set.port ?? null,
    isSwarm: set.isSwarm ?? false,
  });
}

const service = (...lines: string[]): string =>
  `services:\n  web:\n${lines.map(line => `    ${line}\n`).join('')}  db: {image: x}\n`;

taken('ports say where the program listens; the host side is torc now', () => {
  const { port, notes, faults } = take(service('image: x', 'ports: ["8080:80", "53:53/udp"]'));
  assert.is(port, 80);
  assert.equal(faults, []);
  assert.match(notes.map(({ text }) => text).join(), /8080:80, 53:53: no replica is published/);
  assert.is(take(service('image: x', 'expose: [3000]')).port, 3000);
  assert.is(take(service('image: x', 'expose: [3000]'), { port: 4000 }).port, null);
  assert.match(
    take(service('image: x', 'expose: [3000]'), { port: 4000 }).notes[0]!.text,
    /TORC_REPLICA_PORT=4000/,
  );
  assert.match(
    take(service('image: x', 'ports: ["80:80", "443:443"]')).faults[0]!,
    /80, 443: which is for HTTP\? allowed: TORC_REPLICA_PORT/,
  );
});

taken('words for Swarm are noted as not used, but where Swarm makes the replicas', () => {
  const text = service('image: x', 'deploy: {placement: {constraints: [a]}, restart_policy: {delay: 1s}}');
  const noted = (isSwarm: boolean): number => take(text, { isSwarm }).notes.length;
  assert.equal([noted(false), noted(true)], [2, 0]);
});

taken('scale and deploy.replicas are the number of replicas, unless they and TORC_REPLICAS disagree', () => {
  assert.is(take(service('image: x', 'scale: 4')).replicas, 4);
  assert.is(take(service('image: x', 'deploy: {replicas: 5}'), { replicas: 5 }).replicas, 5);
  assert.match(
    take(service('image: x', 'scale: 4'), { replicas: 5 }).faults[0]!,
    /scale: 4, and TORC_REPLICAS=5/,
  );
  assert.match(
    take(service('image: x', 'scale: 4', 'deploy: {replicas: 5}')).faults[0]!,
    /deploy\.replicas: 5/,
  );
  assert.match(take(service('image: x', 'scale: 0')).faults[0]!, /scale: 0/);
});

taken('what depends on others says how to start them', () => {
  const { notes } = take(service('image: x', 'depends_on: [db]'));
  assert.equal(notes, [
    {
      level: 'warn',
      text: 'compose.yaml: web: depends_on db: torc starts only its replicas and waits for nothing else; before it: docker compose -f compose.yaml up -d db',
    },
  ]);
});

taken('a service that is built is run by the name that docker compose build gives it', () => {
  const { project, notes } = take(service('build: .'));
  assert.is(project.service.image, 'app-web');
  assert.match(notes[0]!.text, /docker compose -f compose.yaml build web/);
});

/** Each key of the language is honoured (it reaches the driver), noted, or refused. */
taken('no key is passed over in silence', () => {
  const example: Readonly<Record<string, string>> = {
    depends_on: '[db]',
    deploy: '{update_config: {order: start-first}}',
    links: '["db:database"]',
    network_mode: 'host',
    ports: '["80:80"]',
    networks: '{default: {aliases: [y]}}',
    secrets: '[s]',
    configs: '[c]',
    command: 'x y',
    entrypoint: 'x y',
    env_file: 'file.env',
    label_file: 'file.txt',
    environment: '{A: b}',
    expose: '[80]',
    external_links: '[x]',
    volumes: '["/x"]',
    gpus: 'all',
    healthcheck: '{test: x}',
    ulimits: '{nproc: 1}',
    blkio_config: '{weight: 10}',
    logging: '{driver: json-file}',
    devices: '[/dev/null]',
    extra_hosts: '["a=1.1.1.1"]',
    extends: 'db',
    tmpfs: '/x',
  };
  const files = 'secrets: {s: {file: file.txt}}\nconfigs: {c: {file: file.txt}}\n';
  for (const key of Object.keys(serviceKeys)) {
    if (['env_file', 'label_file', 'environment', 'image', 'profiles'].includes(key)) continue;
    const candidates = [example[key], '"x"', '5', 'true', '["x"]', '{x: "1"}', '10s'].filter(
      value => value !== undefined,
    );
    const read = candidates
      .map(value => {
        try {
          return take(service('image: x', `${key}: ${value}`) + files);
        } catch {
          return null;
        }
      })
      .find(result => result !== null);
    if (read === undefined) assert.unreachable(`no example of ${key}`);
    const said = [...read!.faults, ...read!.notes.map(({ text }) => text)].some(text => text.includes(key));
    assert.ok(said || Object.hasOwn(read!.project.service, key), `${key} is lost`);
  }
});

taken('without an image the replicas are child processes, and what is for containers is refused', () => {
  const { project, faults } = take(
    service('command: node app.js && x', 'environment: {A: "1"}', 'user: nobody'),
  );
  assert.equal(faults, []);
  assert.equal(project.service.command, ['/bin/sh', '-c', 'node app.js && x']);
  assert.match(take(service('command: x', 'volumes: [/x]')).faults[0]!, /volumes: is for containers/);
  assert.match(take(service('environment: {}')).faults[0]!, /image: is missing, and so is command/);
});

taken('placeholders reach volumes by key and by name', () => {
  const { project } = take(
    `${service('image: x', 'hostname: "app-{{slot}}"', 'environment: {ID: "{{slot}}.{{generation}}"}', 'volumes: ["data-{{slot}}:/d", "logs:/l", "./own/{{slot}}:/o"]')}volumes: {logs: {name: "logs-{{slot}}"}}\n`,
  );
  const two = expand(project, { slot: '2', generation: 5, port: 80 });
  assert.is(two.service.hostname, 'app-2');
  assert.equal(two.service.environment, { ID: '2.5' });
  assert.equal(
    two.service.volumes!.map(({ source }) => source),
    ['data-2', 'logs', '/app/own/2'],
  );
  assert.equal(two.volumes, { 'data-2': { name: 'app_data-2' }, logs: { name: 'logs-2' } });
});

taken('a misspelt placeholder is named; other braces stay', () => {
  const { faults } = take(
    service('image: x', 'hostname: "a-{{slots}}"', 'logging: {options: {tag: "{{.Name}}/{{name}}"}}'),
  );
  assert.equal(faults, ['compose.yaml: web: {{slots}}: is no placeholder; did you mean {{slot}}?']);
});

taken.run();
