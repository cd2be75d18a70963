// `npm run analyze` as a whole, small, on child processes: it ends well, every request is answered by the slot that the
// ring code names, the page has no hole where a number should be, and every picture it shows is there.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { drawAll } from '../../native-free-bench/analyze/charts.ts';
import { tell } from '../../native-free-bench/analyze/report.ts';
import { faultsOf, type Results, runsOf } from '../../native-free-bench/analyze/run.ts';

const script = join(import.meta.dirname, '..', '..', 'native-free-bench', 'analyze.ts');
const out = mkdtempSync(join(tmpdir(), 'torc-analyze-'));

async function runAnalyze(args: readonly string[]): Promise<{ code: number | null; errors: string }> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, errors };
}

const read = (name: string): string => readFileSync(join(out, name), 'utf8');
const results = (): Results => JSON.parse(read('analysis/results.json')) as Results;

const analysis = suite('analysis/analyze');

analysis.after(() => rmSync(out, { recursive: true, force: true }));

analysis('a wrong option is refused with what is allowed', async () => {
  const { code, errors } = await runAnalyze(['--requests', 'many', '--out', out]);
  assert.is(code, 2);
  assert.match(errors, '--requests many: allowed are whole numbers, 100 to 1000000');
});

analysis('a small run ends well and answers every request where the ring says', async () => {
  const args = ['--driver', 'process', '--requests', '300', '--kills', '1', '--seed', '5', '--out', out];
  const { code, errors } = await runAnalyze(args);
  assert.is(code, 0, errors);
  assert.equal(faultsOf(results()), []);
  for (const [name, run] of runsOf(results())) {
    assert.equal(run.counts, run.predicted, name);
    assert.is(run.countedByTorc, 300, name);
  }
});

analysis('every fault was healed, and none cost a request', () => {
  const { failures } = results().a3;
  assert.equal(
    failures.map(({ fault }) => fault),
    ['kill', 'terminate', 'hang'],
  );
  for (const { fault, failed, asked, outMs, backMs } of failures) {
    assert.is(failed, 0, fault);
    assert.ok(asked > 0 && outMs <= backMs, fault);
  }
});

analysis('every endpoint answered as the contract says', () => {
  const statuses = results().a3.exchanges.map(
    ({ method, path, status }) => `${method} ${path.split('?')[0]} ${status}`,
  );
  for (const expected of [
    'GET /rep 200',
    'POST /add 200',
    'POST /add 400',
    'DELETE /rm 200',
    'DELETE /rm 400',
    'GET /home 200',
    'GET /heartbeat 200',
    'GET /other 400',
    'GET /requests/nobody 404',
    'GET /metrics 200',
  ])
    assert.ok(statuses.includes(expected), `${expected} is not among ${statuses.join(', ')}`);
});

analysis('the page is whole and shows every chart that was drawn', () => {
  const page = read('analysis.md');
  assert.not.match(page, /undefined|NaN|Infinity|\[object/);
  const shown = [...page.matchAll(/\]\(analysis\/([^)]+\.svg)\)/g)].map(match => match[1]!).sort();
  const drawn = readdirSync(join(out, 'analysis')).filter(name => name.endsWith('.svg'));
  assert.equal(shown, drawn.sort());
  for (const name of drawn) {
    const svg = read(`analysis/${name}`);
    assert.ok(svg.startsWith('<svg ') && svg.trimEnd().endsWith('</svg>'), name);
    assert.match(svg, /A-[1-4]: /, name);
    assert.not.match(svg, /undefined|NaN|Infinity/, name);
  }
});

analysis('page and charts are functions of the results', () => {
  assert.is(tell(results()), read('analysis.md'));
  assert.equal(Object.keys(drawAll(results())), Object.keys(drawAll(results())));
});

analysis('a run that lost a request says so on the page', () => {
  const lossy = structuredClone(results()) as { a1: { random: { load: { failed: number } } } };
  lossy.a1.random.load.failed = 3;
  const page = tell(lossy as unknown as Results);
  assert.match(page, 'This run was not clean:** A-1, random ids: 3 requests failed');
  assert.match(page, /\b3 of [\d,]+ requests were lost/);
});

analysis.run();
