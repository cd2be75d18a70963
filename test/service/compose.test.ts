// The loader against `docker compose config`: files as people really write them must mean the same to both, key by key. The
// folders of test/service/compose are the files; what differs on purpose is named in `asTorcSays`.

import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { loadCompose } from '../../src/service/load.ts';
import { type ComposeProject, composeConfig, composeSuite, readFile } from '../support/compose.ts';

const folder = join(import.meta.dirname, 'compose');
const env = {
  FROM_ENV: 'env value',
  OVERRIDDEN: 'by the environment',
  SHOP_TOKEN: 'secret token',
  PASSED: 'passed on',
};

interface Case {
  readonly files: readonly string[];
  readonly services: readonly string[];
}
const cases: Readonly<Record<string, Case>> = {
  anchors: { files: ['compose.yaml'], services: ['web', 'db'] },
  lists: { files: ['compose.yaml'], services: ['app'] },
  maps: { files: ['compose.yaml'], services: ['app', 'db'] },
  variables: { files: ['compose.yaml'], services: ['web'] },
  'env-file': { files: ['compose.yaml'], services: ['web'] },
  extends: { files: ['compose.yaml'], services: ['web', 'worker'] },
  'two-files': { files: ['compose.yaml', 'sub/override.yaml'], services: ['web'] },
  include: { files: ['compose.yaml'], services: ['web', 'cache', 'db'] },
  documents: { files: ['compose.yaml'], services: ['web'] },
  build: { files: ['compose.yaml'], services: ['web'] },
  sample: { files: ['compose.yaml'], services: ['wordpress', 'db'] },
  mixed: { files: ['docker-compose.yml'], services: ['api'] },
};

type Json = Record<string, unknown>;
const isMap = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Compose's output with what torc says otherwise on purpose (service.ts), and without what says nothing. */
function asTorcSays(value: unknown, key = ''): unknown {
  if (typeof value === 'string') {
    if (key === 'mode' && /^0?[0-7]{3,4}$/.test(value)) return Number.parseInt(value, 8);
    return value.replaceAll('$$', '$');
  }
  if (Array.isArray(value)) {
    const parts = value.map(part => asTorcSays(part));
    return key === 'extra_hosts' ? parts.sort() : parts;
  }
  if (!isMap(value)) return value;
  const entries = Object.entries(value)
    .filter(
      ([name, part]) =>
        !(/^(ipam|placement|resources)$/.test(name) && isMap(part) && Object.keys(part).length === 0),
    )
    .map(([name, part]): [string, unknown] => [name, asTorcSays(part, name)]);
  return Object.fromEntries(entries);
}

const pick = (project: ComposeProject, kind: string, names: readonly string[]): Json =>
  asTorcSays(
    Object.fromEntries(names.map(name => [name, (project[kind] as Json | undefined)?.[name]])),
  ) as Json;

/** A variable's content is there beside its name; Compose prints the name alone. */
const withoutContent = (files: Json): Json =>
  Object.fromEntries(
    Object.entries(files as Record<string, Json>).map(([name, { content, ...rest }]) => [
      name,
      rest.environment === undefined && content !== undefined ? { ...rest, content } : rest,
    ]),
  );

/** Versions of Compose differ in whether they print create_host_path, and where it is false: torc always says it. */
function withoutDefaults(service: unknown, expected: Json): Json {
  const ours = JSON.parse(JSON.stringify(service)) as Json;
  for (const [index, volume] of ((ours.volumes ?? []) as Json[]).entries()) {
    const theirs = ((expected.volumes as Json[])[index]?.bind ?? {}) as Json;
    if (volume.type === 'bind' && theirs.create_host_path === undefined)
      delete (volume.bind as Json).create_host_path;
  }
  return ours;
}

composeSuite('service compose', test => {
  for (const [name, { files, services }] of Object.entries(cases)) {
    const cwd = join(folder, name);
    for (const serviceName of services) {
      test(`${name}: ${serviceName} is what docker compose reads`, () => {
        const theirs = composeConfig(files, cwd, env);
        if (theirs instanceof Error) throw theirs;
        const ours = loadCompose(files, serviceName, {
          cwd,
          env: { HOME: process.env.HOME, PATH: process.env.PATH, ...env },
          readFile,
        });
        assert.equal(ours.faults, []);
        const project = ours.project!;
        assert.is(project.name, theirs.name);
        const { build: ourBuild, develop: ourWatch, ...service } = project.service;
        const { build, develop, ...expected } = theirs.services[serviceName]!;
        assert.is(ourBuild === undefined, build === undefined);
        assert.is(ourWatch === undefined, develop === undefined);
        assert.equal(withoutDefaults(service, expected), asTorcSays(expected));
        for (const kind of ['networks', 'volumes', 'secrets', 'configs'] as const)
          assert.equal(
            withoutContent(project[kind] as unknown as Json),
            pick(theirs, kind, Object.keys(project[kind])),
            kind,
          );
      });
    }
  }
});
