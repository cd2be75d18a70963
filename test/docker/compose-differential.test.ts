// The same service made twice on a real engine, by `docker compose create` and by torc, and everything that `inspect` says of
// the two compared, field by field. What torc does differently on purpose is the list `different` below, each entry with the
// service's own word that would end the difference; whatever else differs is a failure. The files are written as people
// write them (compose-files/). Nothing is started, so a GPU need not be there.

import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { Belongings, withProfiles } from '../../src/drivers/docker/belongings.ts';
import { creationOf, type Make } from '../../src/drivers/docker/creation.ts';
import { Engine } from '../../src/drivers/docker/engine.ts';
import { Network } from '../../src/drivers/docker/network.ts';
import { portOf } from '../../src/drivers/docker/ports.ts';
import { isAtLeast } from '../../src/drivers/docker/units.ts';
import { loadCompose } from '../../src/service/load.ts';
import type { ComposeService, ServiceProject } from '../../src/service/service.ts';
import { composeVersion, readFile } from '../support/compose.ts';
import { type ComposeRun, canonicalService, compose, filesOf } from '../support/compose-create.ts';
import { docker, engineSuite, networkName, removeAll, required } from '../support/engine.ts';

const engine = new Engine();
const { ApiVersion: apiVersion } = await docker.version().catch(() => ({ ApiVersion: '' }));
const OWNER = '0123456789abcdef';
const SEAT = { slot: '7', generation: 3, spare: false };
const FILES = [
  'web-and-db',
  'nginx',
  'inference',
  'django',
  'limits',
  'swarm-style',
  'healthcheck',
  'quiet',
  'secrets',
  'names',
  'volumes',
  'layers',
  'machine',
  'privileged',
  'minimal',
  'hardware-address',
  'bridge',
];

type Fields = Map<string, string>;

interface Difference {
  readonly field: RegExp;
  readonly why: string;
  /** Only while the service does not say it itself; absent: always. */
  readonly unless?: (service: ComposeService) => boolean;
  /** What torc's container must have there. */
  readonly torc?: string;
}

const limits = ({ deploy }: ComposeService) => deploy?.resources?.limits;
const different: Difference[] = [
  { field: /^HostConfig\.RestartPolicy/, why: 'torc is the one healer', torc: '"no"' },
  { field: /^HostConfig\.PortBindings/, why: 'torc itself listens; replicas are reached by address' },
  { field: /^Config\.ExposedPorts\.\d+\/tcp$/, why: 'the port that torc asks', torc: '{}' },
  { field: /^Config\.Env\.(PORT|SERVER_ID)$/, why: 'what torc tells each replica' },
  {
    field: /^Config\.Attach(Stdout|Stderr)$/,
    why: 'for a client that attaches; torc reads the log',
    torc: 'false',
  },
  { field: /^Networks\.TORC/, why: 'on which torc reaches it' },
  {
    field: /^Config\.Hostname$/,
    why: "the container's id",
    unless: service => service.hostname !== undefined,
  },
  {
    field: /^HostConfig\.CapDrop/,
    why: 'least privilege',
    unless: ({ cap_drop, privileged }) => cap_drop !== undefined || privileged === true,
    torc: '"ALL"',
  },
  {
    field: /^HostConfig\.SecurityOpt\.no-new-privileges/,
    why: 'least privilege',
    unless: ({ security_opt = [], privileged }) =>
      privileged === true || security_opt.some(option => option.startsWith('no-new-privileges')),
    torc: 'true',
  },
  {
    field: /^HostConfig\.Memory(Swap)?$/,
    why: 'bounded',
    unless: service => (limits(service)?.memory ?? service.mem_limit) !== undefined,
  },
  {
    field: /^HostConfig\.PidsLimit$/,
    why: 'bounded',
    unless: service => (limits(service)?.pids ?? service.pids_limit) !== undefined,
    torc: '256',
  },
  { field: /^HostConfig\.LogConfig/, why: 'bounded', unless: service => service.logging !== undefined },
  {
    field: /^HostConfig\.Init$/,
    why: 'SIGTERM ends programs without a handler',
    unless: service => service.init !== undefined,
    torc: 'true',
  },
];

/** Compose 2.26 loses a service's mac_address where it has networks and the engine is older than 25. */
if (!isAtLeast(apiVersion, '1.44'))
  different.push({ field: /^Config\.MacAddress$/, why: 'lost by Compose', torc: '"02:42:0a:d5:4e:0a"' });

interface Row {
  readonly file: string;
  readonly equal: number;
  readonly listed: number;
}

const network = networkName();
const sharedNetwork = `${network}-shared`;
const sharedVolume = `${network}-shared`;
const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'torc-compose-')));
const env = {
  API_TOKEN: 'not-a-real-token',
  FROM_OUTSIDE: 'of the environment',
  SHARED_NETWORK: sharedNetwork,
  SHARED_VOLUME: sharedVolume,
};
const rows: Row[] = [];

const readings = new Map<string, ServiceProject>();

/** As Compose reads it; asked once, because each asking is a program that starts. */
function readByCompose(file: string, run: ComposeRun): ServiceProject {
  const known = readings.get(file) ?? canonicalService(run, 'web');
  readings.set(file, known);
  return known;
}

/** A copy, because the engine makes missing folders in it. */
function prepared(file: string): ComposeRun {
  const folder = join(scratch, file);
  cpSync(join(import.meta.dirname, 'compose-files', file), folder, { recursive: true });
  return { folder, project: `${network}-${file}`, env };
}

/** Compose knows no placeholders: for it the file says what torc fills in. */
function seat({ folder }: ComposeRun): void {
  for (const name of readdirSync(folder).filter(name => name.endsWith('.yaml'))) {
    const path = join(folder, name);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('{{slot}}', SEAT.slot));
  }
}

function makeOf(project: ServiceProject): Make & { readonly project: ServiceProject } {
  const found = portOf(null, project.service, { name: 'node:26-slim', exposed: [] });
  assert.is.not(found.port, null);
  return {
    owner: OWNER,
    image: project.service.image!,
    network,
    port: found.port!,
    reach: 'ip',
    capAdd: [],
    project: withProfiles(project),
    apiVersion,
  };
}

async function makeByTorc(project: ServiceProject, name: string): Promise<Fields> {
  const make = makeOf(project);
  const belongings = new Belongings(engine, make.project, OWNER);
  await belongings.check();
  await belongings.ensureNetworks();
  await belongings.make('cannot make it', name, creationOf(name, SEAT, make));
  return fieldsOf(name, project);
}

/**
 * What would be made of it, with lists in an order of their own (Compose's come from maps), without what Compose leaves out
 * as empty (it prints `core: 0` as {}), and with missing folders made, as later versions do where nothing is said.
 */
function asked(project: ServiceProject): unknown {
  const volumes = project.service.volumes?.map(volume =>
    volume.type === 'bind' ? { ...volume, bind: { ...volume.bind, create_host_path: true } } : volume,
  );
  const service = { ...project.service, ...(volumes === undefined ? {} : { volumes }) };
  const creation = creationOf('n', SEAT, makeOf({ ...project, service }));
  return JSON.parse(JSON.stringify(creation), (key, value) => {
    if (key === 'torc.made-of') return undefined;
    if (/^(OomKillDisable|StorageOpt|Soft|Hard)$/.test(key) && (!value || typeof value === 'object'))
      return undefined;
    if (!Array.isArray(value) || /^(Cmd|Entrypoint|Test)$/.test(key)) return value;
    return value.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  });
}

/** Everything that inspect says, flat, without what can never be equal: ids, times, names, labels of the two makers. */
async function fieldsOf(name: string, project: ServiceProject): Promise<Fields> {
  const found = await docker.getContainer(name).inspect();
  const { Config, HostConfig, Mounts, Image, Path, Args, Platform, NetworkSettings } = found;
  const fields: Fields = new Map();
  const put = (path: string, value: unknown): void => {
    if (isEmpty(value)) return;
    if (typeof value !== 'object') fields.set(path, JSON.stringify(value));
    else if (Object.keys(value!).length === 0) {
      // An empty object is a value where the key is what is said, else it is nothing.
      if (/^Config\.(ExposedPorts|Volumes)\./.test(path)) fields.set(path, '{}');
    } else for (const [key, inner] of Object.entries(value!)) put(`${path}.${key}`, inner);
  };
  const isSeat = (text: string): string => text.replaceAll('{{slot}}', SEAT.slot);
  const { Env, Labels, ExposedPorts, ...config } = Config;
  put('Config', config);
  for (const port of Object.keys(ExposedPorts ?? {}))
    put(`Config.ExposedPorts.${port.includes('/') ? port : `${port}/tcp`}`, {});
  for (const entry of Env) put(`Config.Env.${entry.split('=')[0]}`, entry);
  for (const [label, value] of Object.entries(Labels))
    if (!/^(torc\.|com\.docker\.compose\.)/.test(label)) put(`Config.Labels.${label}`, value);
  const { Binds, Mounts: mounts, ExtraHosts, Ulimits, SecurityOpt, ...host } = HostConfig;
  put('HostConfig', host);
  // Lists whose order says nothing, and in which Compose itself has none that is sure.
  for (const entry of ExtraHosts ?? []) put(`HostConfig.ExtraHosts.${entry.split(':')[0]}`, entry);
  for (const option of (SecurityOpt ?? []) as string[]) put(`HostConfig.SecurityOpt.${option}`, true);
  for (const limit of Ulimits ?? []) put(`HostConfig.Ulimits.${limit.Name}`, limit);
  // Which of the two ways a mount took; what it is, is in Mounts.
  const wayOf = new Map<string, string>([
    ...(Binds ?? []).map(bind => [bind.split(':')[1]!, 'Binds'] as const),
    ...((mounts ?? []) as unknown as { Target: string }[]).map(({ Target }) => [Target, 'Mounts'] as const),
  ]);
  for (const [target, way] of wayOf) put(`HostConfig.mount.${target}`, way);
  for (const mount of (mounts ?? []) as unknown as { Target: string }[])
    put(`HostConfig.Mounts.${mount.Target}`, mount);
  for (const { Name = '', Source, Mode, ...mount } of Mounts as (Record<string, unknown> & {
    Destination: string;
  })[]) {
    const isAnonymous = /^[0-9a-f]{64}$/.test(String(Name));
    put(`Mounts.${mount.Destination}`, isAnonymous ? mount : { ...mount, Name, Source });
    put(`Mounts.${mount.Destination}.Mode`, String(Mode).replace(/^rw$|^z$/, ''));
  }
  put('Image', Image);
  put('Path', Path);
  put('Args', Args);
  put('Platform', Platform);
  const own = new Set([found.Id.slice(0, 12), found.Name.slice(1)]);
  for (const [name, endpoint] of Object.entries(NetworkSettings.Networks)) {
    const { Aliases, IPAMConfig, DriverOpts, Links, MacAddress } = endpoint as typeof endpoint & {
      DriverOpts?: unknown;
    };
    const path = `Networks.${name === network ? 'TORC' : await networkNamed(name)}`;
    put(path, { on: true, IPAMConfig, DriverOpts, Links, MacAddress });
    for (const alias of (Aliases ?? []) as string[])
      if (!own.has(alias)) put(`${path}.Aliases.${alias}`, true);
  }
  for (const { key, source } of [
    ...(project.service.secrets ?? []).map(file => ({
      key: file.target?.startsWith('/') ? file.target : `/run/secrets/${file.target ?? file.source}`,
      source: project.secrets[file.source],
    })),
    ...(project.service.configs ?? []).map(file => ({
      key: file.target ?? `/${file.source}`,
      source: project.configs[file.source],
    })),
  ])
    if (source?.content !== undefined) put(`files.${key}`, await fileIn(name, key));
  return new Map([...fields].map(([path, value]) => [isSeat(path), isSeat(value)]));
}

/** Engines from 25 on call a network that is not the project's own by its id until the container has started. */
const networkNamed = async (name: string): Promise<string> =>
  /^[0-9a-f]{64}$/.test(name) ? (await docker.getNetwork(name).inspect()).Name : name;

const isEmpty = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === '' ||
  value === false ||
  value === 0 ||
  (Array.isArray(value) && value.length === 0);

/** Mode, owner and content of a file in a container that was never started. */
async function fileIn(container: string, path: string): Promise<object> {
  const stream = await docker.getContainer(container).getArchive({ path });
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part as Buffer));
  const tar = Buffer.concat(parts);
  const octal = (at: number, length: number): number =>
    Number.parseInt(tar.toString('latin1', at, at + length), 8);
  const size = octal(124, 12);
  return {
    mode: octal(100, 8),
    uid: octal(108, 8),
    gid: octal(116, 8),
    text: tar.toString('utf8', 512, 512 + size),
  };
}

/** What differs beyond the list; counts what does not. */
function compare(file: string, service: ComposeService, byCompose: Fields, byTorc: Fields): string[] {
  const wrong: string[] = [];
  let equal = 0;
  let listed = 0;
  for (const field of new Set([...byCompose.keys(), ...byTorc.keys()])) {
    const theirs = byCompose.get(field);
    const ours = byTorc.get(field);
    if (theirs === ours) {
      equal++;
      continue;
    }
    const known = different.find(entry => entry.field.test(field) && entry.unless?.(service) !== true);
    if (known !== undefined && (known.torc === undefined || ours === undefined || known.torc === ours))
      listed++;
    else wrong.push(`${field}: compose ${theirs ?? '-'}, torc ${ours ?? '-'}`);
  }
  rows.push({ file, equal, listed });
  return wrong;
}

/** A network or volume without its id, its time, who made it, and addresses that the engine chose. */
function madeOf(found: object, hasAddresses: boolean): unknown {
  const { Name, Driver, Options, Internal, Attachable, EnableIPv6, IPAM, Labels, Scope } = found as Record<
    string,
    unknown
  >;
  const labels = Object.entries((Labels ?? {}) as Record<string, string>)
    .filter(([label]) => label !== 'torc.owner' && !/compose\.(version|config-hash)$/.test(label))
    .sort();
  const addresses = hasAddresses ? IPAM : null;
  return { Name, Driver, Options: Options ?? {}, Internal, Attachable, EnableIPv6, addresses, Scope, labels };
}

async function belongingsOf({ networks, volumes, service }: ServiceProject): Promise<unknown[]> {
  const made: unknown[] = [];
  for (const [key, { name, external, ipam }] of Object.entries(networks))
    if (!external && service.networks?.[key] !== undefined)
      made.push(madeOf(await docker.getNetwork(name).inspect(), ipam?.config !== undefined));
  for (const [key, { name, external }] of Object.entries(volumes))
    if (!external && service.volumes?.some(({ source }) => source === key)) {
      const volume = docker.getVolume(name.replaceAll('{{slot}}', SEAT.slot));
      made.push(madeOf(await volume.inspect(), false));
    }
  return made;
}

/** Compose's containers, then all that torc made. */
async function clear(run: ComposeRun, project: ServiceProject, name: string): Promise<void> {
  compose(run, ['down', '--volumes', '--timeout', '0']);
  await clearTorcs(project, name);
}

async function clearTorcs(project: ServiceProject, name: string): Promise<void> {
  await docker
    .getContainer(name)
    .remove({ force: true, v: true })
    .catch(() => {});
  await new Belongings(engine, project, OWNER).release();
  for (const { name, external } of Object.values(project.volumes))
    for (const volume of external ? [] : [name.replaceAll('{{slot}}', SEAT.slot)])
      await docker
        .getVolume(volume)
        .remove()
        .catch(() => {});
}

engineSuite('containers as Compose makes them', network, test => {
  if (composeVersion === null && !required) {
    test.skip('docker compose is not here', () => {});
    return;
  }
  test.before(async () => {
    const torcs = new Network(network, engine);
    torcs.owner = OWNER;
    await torcs.ensure();
    await docker.createNetwork({ Name: sharedNetwork });
    await docker.createVolume({ Name: sharedVolume });
  });
  test.after(async () => {
    await docker
      .getNetwork(sharedNetwork)
      .remove()
      .catch(() => {});
    await docker
      .getVolume(sharedVolume)
      .remove()
      .catch(() => {});
    rmSync(scratch, { recursive: true, force: true });
    await removeAll(network);
  });

  for (const file of FILES) {
    test(`${file}: every field of the container, its networks and volumes`, async () => {
      const run = prepared(file);
      const project = readByCompose(file, run);
      const name = `${run.project}-torc`;
      try {
        const byTorc = await makeByTorc(project, name);
        const ours = await belongingsOf(project);
        await clearTorcs(project, name);
        seat(run);
        compose(run, ['create', 'web']);
        const byCompose = await fieldsOf(`${run.project}-web-1`, project);
        assert.equal(compare(file, project.service, byCompose, byTorc), []);
        assert.equal(ours, await belongingsOf(project), 'networks and volumes');
      } finally {
        await clear(run, project, name);
      }
    });
  }

  for (const file of FILES) {
    test(`${file}: torc's own reading of the file leads to the same container`, () => {
      const run = prepared(file);
      const surroundings = { cwd: run.folder, env: { ...env, COMPOSE_PROJECT_NAME: run.project }, readFile };
      const { project, faults } = loadCompose(filesOf(run), 'web', surroundings);
      assert.equal(faults, []);
      assert.equal(asked(project!), asked(readByCompose(file, run)));
    });
  }

  test('Compose takes networks and volumes that torc made for its own, and they outlive torc while it has them', async () => {
    const run = prepared('web-and-db');
    const project = readByCompose('web-and-db', run);
    const name = `${run.project}-torc`;
    try {
      await makeByTorc(project, name);
      const said = compose(run, ['create']);
      assert.not.match(said, /already exists|incorrect label|was not created/);
      await docker.getContainer(name).remove({ force: true, v: true });
      const belongings = new Belongings(engine, project, OWNER);
      await belongings.release();
      const networks = Object.values(project.networks).map(({ name }) => name);
      for (const name of networks) await docker.getNetwork(name).inspect();
      compose(run, ['rm', '--force']);
      await belongings.release();
      for (const name of networks)
        assert.is(
          await docker
            .getNetwork(name)
            .inspect()
            .then(
              () => 'there',
              () => 'gone',
            ),
          'gone',
        );
      await docker.getVolume(`${run.project}_uploads`).inspect(); // data is never torc's to remove
    } finally {
      await clear(run, project, name);
    }
  });

  test('the table', () => {
    const { stdout } = process;
    stdout.write(`\nfields of inspect, API ${apiVersion}\n`);
    for (const { file, equal, listed } of rows)
      stdout.write(
        `  ${file.padEnd(18)} ${String(equal).padStart(4)} equal, ${String(listed).padStart(2)} listed\n`,
      );
    assert.is(rows.length, FILES.length);
  });
});
