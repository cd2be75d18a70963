// npm run analyze [-- --driver auto --seed 1 --requests 10000 --kills 3 --out docs]: the assignment's four analyses on the
// real torc. Writes analysis.md, analysis/*.svg and analysis/results.json under --out; progress goes to stderr. Exits 1
// when a request was lost or answered by another slot than the ring says, because then the page's claims do not hold.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pingEngine } from '../src/drivers/docker/engine.ts';
import { drawAll } from './analyze/charts.ts';
import { tell } from './analyze/report.ts';
import { analyze, faultsOf } from './analyze/run.ts';

const { values } = parseArgs({
  options: {
    driver: { type: 'string', default: 'auto' },
    seed: { type: 'string', default: '1' },
    requests: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '3' },
    out: { type: 'string', default: join(import.meta.dirname, '..', 'docs') },
  },
});
const startMs = performance.now();
const say = (line: string): void => {
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`${seconds} s  ${line}\n`);
};
const wholeNumber = (name: 'seed' | 'requests' | 'kills', least: number, most: number): number => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  process.stderr.write(`--${name} ${values[name]}: allowed are whole numbers, ${least} to ${most}\n`);
  process.exit(2);
};

const results = await analyze({
  requests: wholeNumber('requests', 100, 1_000_000),
  seed: wholeNumber('seed', 0, 2 ** 32 - 1),
  kills: wholeNumber('kills', 1, 20),
  driver: values.driver === 'auto' ? ((await pingEngine()) === null ? 'docker' : 'process') : values.driver,
  say,
});
const folder = join(values.out, 'analysis');
mkdirSync(folder, { recursive: true });
for (const [name, svg] of Object.entries(drawAll(results))) writeFileSync(join(folder, `${name}.svg`), svg);
writeFileSync(join(folder, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
writeFileSync(join(values.out, 'analysis.md'), tell(results));
const faults = faultsOf(results);
for (const fault of faults) say(`NOT CLEAN: ${fault}`);
say(`written: ${join(values.out, 'analysis.md')}`);
process.exitCode = faults.length === 0 ? 0 : 1;
