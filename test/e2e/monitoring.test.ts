// docs/monitoring is what it says: rules and their tests by promtool, no name that torc does not export, and a real
// Prometheus that scrapes a torc with a token and answers every query of the dashboard while a replica is killed.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { slotsOf } from '../support/healing.ts';
import { type Prometheus, prometheusTest, promtool, startPrometheus } from '../support/prometheus.ts';
import { ask } from '../support/raw.ts';
import { temporaryState } from '../support/state.ts';
import { sendMany, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const folder = join(import.meta.dirname, '..', '..', 'docs', 'monitoring');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

const dashboard = JSON.parse(read('dashboard.json')) as Dashboard;
const queries = dashboard.panels.flatMap(({ title, targets }) =>
  targets.map(({ expr }) => ({ title, expr })),
);

const monitoring = suite('monitoring');

monitoring(
  'rules and dashboard name no metric that /metrics does not have, and none that is deprecated',
  async () => {
    const torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '1' });
    try {
      const { text } = await torc.get('/metrics');
      const known = new Set([...text.matchAll(/^# HELP (\S+) (?!Deprecated)/gm)].map(([, name]) => name!));
      const all = `${read('alerts.yml')}${read('alerts.test.yml')}${read('dashboard.json')}`;
      const named = [...all.matchAll(/\btorc_[a-z0-9_]+/g)].map(([name]) => name.replace(/_bucket$/, ''));
      const unknown = [...new Set(named)].filter(name => !known.has(name));
      assert.equal(unknown, []);
    } finally {
      await torc.close();
    }
  },
);

monitoring('every alert has a test that it fires', () => {
  const alerts = [...read('alerts.yml').matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);
  assert.ok(alerts.length > 10);
  const tests = read('alerts.test.yml');
  assert.equal(
    alerts.filter(name => !tests.includes(`alertname="${name}"}', value: 1`)),
    [],
  );
});

prometheusTest(monitoring, 'promtool takes the configuration and the rules, and their tests pass', () => {
  promtool(['check', 'config', join(folder, 'prometheus.yml')]);
  promtool(['check', 'rules', '--lint-fatal', join(folder, 'alerts.yml')]);
  promtool(['test', 'rules', join(folder, 'alerts.test.yml')]);
});

const TOKEN = 'a-token-of-the-scraper';

/** The documented configuration, in a hurry, with its authorization, for this torc. */
function configurationFor(torc: Torc, tokenFile: string): string {
  const text = read('prometheus.yml')
    .replace('scrape_interval: 15s', 'scrape_interval: 500ms\n  scrape_timeout: 500ms')
    .replace('- alerts.yml', `- ${join(folder, 'alerts.yml')}`)
    .replace('# authorization:', 'authorization:')
    .replace(/#( +credentials_file: ).*/, `$1${tokenFile}`)
    .replace('127.0.0.1:5000', `127.0.0.1:${torc.port}`);
  assert.match(text, new RegExp(`\\n {4}authorization:\\n {6,}credentials_file: ${tokenFile}\\n`));
  return text;
}

/** Traffic of each kind that a panel is about: answers, a refused request, a wrong token. */
async function makeTraffic(torc: Torc): Promise<void> {
  await sendMany(index => `${torc.url}/request?request_id=${index}`, 20, 4);
  await ask(torc.port, 'TRACE / HTTP/1.1\r\nHost: torc.test\r\n\r\n');
  await torc.get('/admin/slots', { authorization: 'Bearer not-this-one' });
}

const filled = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '20s').replaceAll('$job', 'torc').replaceAll('$instance', '.*');

async function emptyOnes(prometheus: Prometheus): Promise<string[]> {
  const empty: string[] = [];
  for (const { title, expr } of queries) {
    const series = await prometheus.query(filled(expr));
    if (!series.some(({ value }) => Number.isFinite(Number(value[1])))) empty.push(`${title}: ${expr}`);
  }
  return empty;
}

prometheusTest(monitoring, 'a real Prometheus answers every query of the dashboard', async () => {
  const tokenFile = join(temporaryState(), 'token');
  writeFileSync(tokenFile, `${TOKEN}\n`);
  const torc = await startTorc({ TORC_WORKERS: '2', TORC_REPLICAS: '2', TORC_ADMIN_TOKEN: TOKEN });
  const prometheus = await startPrometheus(configurationFor(torc, tokenFile));
  try {
    const { text } = await torc.get('/admin/slots', { authorization: `Bearer ${TOKEN}` });
    const { slots } = JSON.parse(text) as { slots: Awaited<ReturnType<typeof slotsOf>> };
    process.kill(Number(slots[0]!.replica.slice('pid '.length)), 'SIGKILL');
    let empty: string[] = [];
    await waitFor(
      async () => {
        await makeTraffic(torc);
        empty = await emptyOnes(prometheus);
        return empty.length === 0;
      },
      { timeoutMs: 60_000, what: 'every panel' },
    ).catch(error => assert.unreachable(`${error}: ${empty.join('\n')}`));
    const [ejected] = await prometheus.query('sum(torc_ejections_total{cause=~"event|connection"})');
    assert.is(ejected?.value[1], '1');
    const [told] = await prometheus.query('sum(torc_http_request_duration_seconds_count)');
    assert.ok(Number(told?.value[1]) >= 20);
  } finally {
    await prometheus.close();
    await torc.close();
  }
});

monitoring.run();
