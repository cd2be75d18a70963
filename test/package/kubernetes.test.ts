// docs/kubernetes/torc.yaml against the shapes of Kubernetes' API: each document becomes a literal of its kind's type
// (kubernetes-types), where the compiler refuses a field that the kind has not and a value of another type, as the API
// server does with --validate=strict. And the settings in it are settings that torc takes.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments, type parseDocument } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';

const root = join(import.meta.dirname, '..', '..');

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec?: object;
  readonly data?: Readonly<Record<string, string>>;
}

const documents = parseAllDocuments(
  readFileSync(join(root, 'docs', 'kubernetes', 'torc.yaml'), 'utf8'),
) as ReturnType<typeof parseDocument>[];
const manifests = documents.map(document => document.toJS() as Manifest);

/** What the compiler says of them, '' where nothing. */
function faultsOf(checked: readonly Manifest[]): string {
  // Within the project, where the types are found.
  const folder = mkdtempSync(join(root, 'node_modules', '.kubernetes-'));
  const texts = checked.map(
    (manifest, index) =>
      `import type { ${manifest.kind} as Kind${index} } from 'kubernetes-types/${pathOf(manifest)}';\n` +
      `export const manifest${index}: Kind${index} = ${JSON.stringify(manifest, null, 2)};\n`,
  );
  const file = join(folder, 'manifests.ts');
  writeFileSync(file, texts.join('\n'));
  const flags = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
  ];
  const { stdout } = spawnSync('tsc', [...flags, '--types', '', file], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  return stdout;
}

/** "apps/v1"; "core/v1" for "v1". */
const pathOf = ({ apiVersion }: Manifest): string =>
  apiVersion.includes('/') ? apiVersion : `core/${apiVersion}`;

const tests = suite('kubernetes');

tests('the manifest is as the API has its kinds', () => {
  assert.equal(
    documents.flatMap(document => document.errors),
    [],
  );
  assert.is(faultsOf(manifests), '');
});

tests('a field that there is not, and a value of another type, are seen', () => {
  const deployment = manifests.find(({ kind }) => kind === 'Deployment')!;
  const wrong = { ...deployment, spec: { ...deployment.spec, replicsa: 3, minReadySeconds: 'five' } };
  assert.match(faultsOf([wrong]), /minReadySeconds|string/);
  assert.match(faultsOf([{ ...deployment, spec: { ...deployment.spec, replicsa: 3 } }]), 'replicsa');
});

tests('its settings are valid', () => {
  const text = manifests.find(({ kind }) => kind === 'ConfigMap')?.data?.['torc.yaml'] ?? '';
  const files = { cwd: '/', readFile: (path: string) => (path === '/etc/torc/torc.yaml' ? text : null) };
  const loaded = loadConfig({ TORC_CONFIG: '/etc/torc/torc.yaml', HOST: '0.0.0.0' }, [], files);
  assert.is(loaded.kind, 'config', JSON.stringify(loaded));
});

tests.run();
