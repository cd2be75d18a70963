// The rules that a machine can check: imports go one way, time and randomness come in by argument, every source file
// opens with what it is, every setting is documented, and the map in docs/architecture.md names what is there.

import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writtenPages } from '../docs/write-settings.ts';
import { fields } from '../src/config/fields.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const sources = globSync('src/**/*.{ts,js,cjs}', { cwd: root })
  .map(path => normalize(path))
  .sort();
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Room -> rooms it may import. `main`, `primary` and `logger`-like files directly in src are the composition root. */
const mayImport: Record<string, readonly string[]> = {
  core: [],
  service: ['core'],
  config: ['service', 'core'],
  ring: ['core'],
  upstream: ['core', 'config'],
  routing: ['upstream', 'ring', 'core', 'config'],
  exchange: ['routing', 'upstream', 'ring', 'core', 'config'],
  front: ['exchange', 'routing', 'core', 'config'],
  control: ['routing', 'ring', 'core', 'config'],
  drivers: ['service', 'core', 'config', 'control/driver'],
  analysis: ['ring', 'core'],
  admin: ['control', 'routing', 'analysis', 'ring', 'core', 'config'],
  cli: ['admin/schemas', 'admin/tokens', 'cluster/certificates', 'drivers/static/file', 'config', 'core'],
  cluster: ['front', 'exchange/reply', 'routing', 'core', 'config', 'control/data-plane'],
};

const importsOf = (path: string): string[] =>
  [...read(path).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(match =>
    normalize(join(dirname(path), match[1]!)),
  );

const roomOf = (path: string): string => path.split('/')[1]!;

const rules = suite('rules');

rules('imports go one way', () => {
  const wrong: string[] = [];
  for (const path of sources) {
    const room = roomOf(path);
    for (const target of importsOf(path)) {
      if (!target.startsWith('src/')) {
        wrong.push(`${path} -> ${target} (outside src)`);
        continue;
      }
      const allowed = mayImport[room];
      if (allowed === undefined || roomOf(target) === room) continue;
      const inside = target.slice('src/'.length);
      if (!allowed.some(name => inside === `${name}.ts` || inside.startsWith(`${name}/`)))
        wrong.push(`${path} -> ${target}`);
    }
  }
  assert.equal(wrong, []);
});

/** What a file brings into its process: all that it imports but types, and their imports. */
function loadedBy(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  if (!path.startsWith('src/')) return seen;
  for (const [, from] of read(path).matchAll(
    /^(?:import|export)\s(?!type\s)(?:[^;']*?\sfrom\s)?'([^']+)';$/gm,
  ))
    loadedBy(from!.startsWith('.') ? normalize(join(dirname(path), from!)) : from!, seen);
  return seen;
}

rules('neither process loads what is the other’s, nor what most do without', () => {
  const worker = [...loadedBy('src/main.ts'), ...loadedBy('src/cluster/worker.ts')];
  const primary = [...loadedBy('src/primary.ts'), ...loadedBy('src/config/load.ts')];
  assert.ok(worker.includes('src/upstream/connection.ts') && primary.includes('zod'));
  // What reads settings takes 8 MB, a pool of connections as much.
  const settings = /^(?:zod|yaml|prom-client|dockerode|src\/config\/.*)$/;
  const dataPlane = /^(?:undici\b.*|dockerode|src\/upstream\/.*)$/;
  // For files, and for who scrapes: 5 MB.
  const rare = /^(?:yaml|prom-client)$/;
  assert.ok(loadedBy('src/admin/metrics.ts').has('prom-client'));
  assert.equal(
    [
      ...worker.filter(path => settings.test(path)),
      ...primary.filter(path => dataPlane.test(path) || rare.test(path)),
    ],
    [],
  );
});

rules('no circle of files, types included', () => {
  for (const paths of [sources, globSync('native-free-bench/**/*.ts', { cwd: root }).map(normalize)]) {
    const targets = new Map(
      paths.map(path => [path, importsOf(path).filter(target => paths.includes(target))]),
    );
    const isDone = new Set<string>();
    const visit = (path: string, way: readonly string[]): void => {
      if (way.includes(path)) assert.unreachable([...way.slice(way.indexOf(path)), path].join(' -> '));
      if (isDone.has(path)) return;
      for (const target of targets.get(path)!) visit(target, [...way, path]);
      isDone.add(path);
    };
    for (const path of paths) visit(path, []);
  }
});

rules('a file is one idea: at most 400 lines', () => {
  const wrong = sources.filter(path => read(path).trimEnd().split('\n').length > 400);
  assert.equal(wrong, []);
});

rules('time and randomness come in by argument', () => {
  const banned = /\b(Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|performance\.now)\b/;
  const pure = ['control', 'ring', 'routing', 'analysis', 'admin', 'config', 'service'];
  const wrong = sources.filter(
    // The page runs in a browser, where nobody hands it a clock.
    path =>
      pure.includes(roomOf(path)) &&
      !path.startsWith('src/admin/page/') &&
      banned.test(withoutComments(read(path))),
  );
  assert.equal(wrong, []);
});

rules('every source file opens with what it is', () => {
  const wrong = sources.filter(path => !/^(#![^\n]+\n)?(\/\/ [^\n]+\n){2,}/.test(read(path)));
  assert.equal(wrong, []);
});

rules('no file silences the compiler or the linter', () => {
  const wrong = globSync('{src,test,native-free-bench,docker}/**/*.{ts,js}', {
    cwd: root,
    exclude: ['**/node_modules/**'],
  }).filter(
    path =>
      !path.endsWith('rules.test.ts') && /@ts-ignore|@ts-nocheck|biome-ignore|\bas any\b/.test(read(path)),
  );
  assert.equal(wrong, []);
});

rules('the map in docs/architecture.md names every source file, and no other', () => {
  const map = read('docs/architecture.md');
  const missing = sources.filter(path => !map.includes(`\`${path.slice('src/'.length)}\``));
  assert.equal(missing, [], 'not in the map');
  const named = [...map.matchAll(/`([a-z-]+(?:\/[a-z0-9-]+)*\.(?:ts|js|cjs))`/g)].map(
    match => `src/${match[1]}`,
  );
  assert.equal(
    named.filter(path => !sources.includes(path)),
    [],
    'in the map, but not there',
  );
});

rules(
  'docs/operations.md and docker/compose.yaml have every setting, as npm run settings writes them',
  () => {
    for (const [path, text] of writtenPages()) assert.is(read(path), text, `${path}: run npm run settings`);
  },
);

rules('no setting in the environment of docker compose is dropped on the way into the container', () => {
  const text = read('docker/compose.yaml');
  // Where torc listens in there is the file's own affair; what of it is published, PORT says.
  const names = Object.values(fields)
    .map(({ name }) => name)
    .filter(name => name !== 'HOST');
  const isPassedOn = (name: string): boolean => new RegExp(`^ +${name}:$|\\$\\{${name}[-:}]`, 'm').test(text);
  assert.equal(
    names.filter(name => !isPassedOn(name)),
    [],
  );
});

const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');

rules.run();
