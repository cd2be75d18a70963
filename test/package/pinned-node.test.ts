// What npm's scripts run on: the Node that the lock file pins, whatever Node and npm are installed. npm 8 to 10 leave no
// node_modules/.bin/node behind (docker/node/run.sh says why), so nothing here may lean on it.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'));
const { optionalDependencies } = read('docker/node/package.json') as {
  optionalDependencies: Record<string, string>;
};
const { scripts } = read('package.json') as { scripts: Record<string, string> };
const installed = Object.keys(optionalDependencies).find(name =>
  existsSync(join(root, 'node_modules', name, 'bin', 'node')),
);

const tests = suite('pinned node');

tests('every script that runs a program of ours has it run by docker/node/run.sh', () => {
  for (const [name, script] of Object.entries(scripts))
    if (/\.(?:ts|cjs)\b/.test(script)) assert.match(script, 'sh docker/node/run.sh', name);
});

if (installed === undefined) tests.skip('no pinned Node for this machine', () => {});
else
  tests('it is found without npm and before any other', () => {
    const { stdout, stderr } = spawnSync('sh', ['docker/node/run.sh', '-p', 'process.versions.node'], {
      cwd: root,
      env: { PATH: '/usr/bin:/bin' },
      encoding: 'utf8',
    });
    assert.equal([stdout.trim(), stderr], [optionalDependencies[installed], '']);
  });

tests.run();
