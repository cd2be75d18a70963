// The Grafana dashboard against Grafana's own schema of one: the types that it publishes (@grafana/schema), for the whole, for the
// options of each panel by its kind, and for how its lines are drawn. No Grafana runs here: what it would do with a dashboard
// that its schema takes is its own, and each query is asked of a real Prometheus beside this (monitoring.test.ts).
// JSON has no enums, so those of the schema are made unions of their values before the compiler looks.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const dashboard = suite('dashboard');

const root = join(import.meta.dirname, '..', '..');
const types = join(root, 'node_modules', '@grafana', 'schema', 'dist', 'types');
const SCHEMA = {
  dashboard: 'raw/dashboard/x/types.gen.d.ts',
  common: 'common/common.gen.d.ts',
  timeseries: 'raw/composable/timeseries/panelcfg/x/types.gen.d.ts',
  stat: 'raw/composable/stat/panelcfg/x/types.gen.d.ts',
};

interface Panel {
  readonly type: string;
  readonly options?: object;
  readonly fieldConfig?: { readonly defaults: { readonly custom?: object } };
}
interface Annotation {
  readonly expr?: string;
  readonly titleFormat?: string;
  readonly step?: string;
}
interface Board {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly Annotation[] };
}

const read = (): Board => JSON.parse(readFileSync(join(root, 'docs/monitoring/dashboard.json'), 'utf8'));

const withoutEnums = (text: string): string =>
  text.replace(/export declare enum (\w+) \{([^}]*)\}/g, (_whole, name: string, body: string) => {
    const values = [...body.matchAll(/=\s*("[^"]*"|-?\d+)/g)].map(match => match[1]);
    return `export type ${name} = ${values.join(' | ')};`;
  });

/** What the compiler says of the dashboard as a constant of Grafana's types; '' is well. */
function faultsOf(board: Board): string {
  const folder = mkdtempSync(join(tmpdir(), 'torctest-dashboard-'));
  try {
    for (const [name, path] of Object.entries(SCHEMA)) {
      const text = withoutEnums(readFileSync(join(types, path), 'utf8'));
      writeFileSync(join(folder, `${name}.d.ts`), text.replaceAll("'@grafana/schema'", "'./common.d.ts'"));
    }
    // What an annotation asks and how it is called are its data source's own words.
    const list = board.annotations.list.map(({ expr: _e, titleFormat: _t, step: _s, ...rest }) => rest);
    const constants = [
      "import type { Dashboard } from './dashboard.d.ts';",
      "import type { GraphFieldConfig } from './common.d.ts';",
      ...['timeseries', 'stat'].map(kind => `import type * as ${kind} from './${kind}.d.ts';`),
      constant('board', 'Dashboard', { ...board, annotations: { list } }),
      ...board.panels.flatMap(({ type, options = {}, fieldConfig }, index) => [
        constant(`options${index}`, `Partial<${type}.Options>`, options),
        constant(`custom${index}`, 'GraphFieldConfig', fieldConfig?.defaults.custom ?? {}),
      ]),
    ];
    writeFileSync(join(folder, 'check.ts'), constants.join('\n'));
    const flags = '--strict --noEmit --skipLibCheck --module nodenext --allowImportingTsExtensions --types';
    const tsc = join(root, 'node_modules/.bin/tsc');
    const { stdout, error } = spawnSync(tsc, [...flags.split(' '), '', 'check.ts'], {
      cwd: folder,
      encoding: 'utf8',
    });
    if (error !== undefined) throw error;
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const constant = (name: string, type: string, value: object): string =>
  `export const ${name}: ${type} = ${JSON.stringify(value)};`;

dashboard("it is one by Grafana's schema, and each panel by that of its kind", () => {
  assert.is(faultsOf(read()), '');
});

dashboard('a misspelt word is found, wherever it stands', () => {
  const board = read();
  const lines = board.panels.findIndex(({ type }) => type === 'timeseries');
  const wrong = board.panels.map((panel, index) =>
    index === lines ? { ...panel, options: { ...panel.options, tooltips: {} } } : panel,
  );
  assert.match(faultsOf({ ...board, panels: wrong }), /'"tooltips"' does not exist/);
  const [first, ...others] = board.panels;
  assert.match(faultsOf({ ...board, panels: [{ ...first!, titel: 'x' } as Panel, ...others] }), /titel/);
});

dashboard.run();
