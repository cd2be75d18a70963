// npm run bench [-- NAME] [--full] [--only torc,nginx]: runs a scenario, prints its table, keeps the raw figures as dated
// JSON under results/. The short size tells in a minute whether something broke; quote only `--full` ones.

import { execFileSync } from 'node:child_process';
import { Console } from 'node:console';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connections } from './connections.ts';
import { cost } from './cost.ts';
import { heal, timelineFile } from './heal.ts';

const { values, positionals } = parseArgs({
  options: { full: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
  allowPositionals: true,
});
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const only = values.only === '' ? [] : values.only.split(',');

const scenarios: Record<string, () => Promise<object[]>> = {
  cost: async () => {
    const size = values.full
      ? { bodies: [56, 65_536, 1_048_576], rounds: 5, seconds: 3 }
      : { bodies: [56], rounds: 3, seconds: 2 };
    const rows = await cost({ ...size, only, progress: say });
    return rows.map(row => ({
      body: row.bytes,
      target: row.target,
      'us/request': Number(row.usPerRequest.toFixed(1)),
      'x nginx': row.ratioToNginx === null ? '-' : Number(row.ratioToNginx.toFixed(2)),
      spread: `${Math.min(...row.rounds).toFixed(1)}-${Math.max(...row.rounds).toFixed(1)}`,
    }));
  },
  connections: () => connections(only, values.full ? 1_000_000 : 100_000),
  heal: () => {
    const size = values.full
      ? { strikes: 5, idleStrikes: 10, streamMs: 60_000, timelinePath: timelineFile }
      : { strikes: 1, idleStrikes: 1, streamMs: 10_000, timelinePath: null };
    return heal({ ...size, only, progress: say });
  },
};

/** The peers are the bench's own dependencies: installed on its first run, never with the product. */
function installPeers(): void {
  if (existsSync(join(import.meta.dirname, 'node_modules'))) return;
  say('installing the peers (once)');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: import.meta.dirname, stdio: 'inherit' });
}

installPeers();
const names = positionals.length > 0 ? positionals : Object.keys(scenarios);
for (const name of names) {
  const scenario = scenarios[name];
  if (scenario === undefined) {
    say(`no scenario ${name}; there are ${Object.keys(scenarios).join(', ')}`);
    process.exit(2);
  }
  const rows = await scenario();
  new Console(process.stdout).table(rows);
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(
    folder,
    `${new Date().toISOString().slice(0, 10)}-${name}${values.full ? '' : '-short'}.json`,
  );
  writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
  say(`written: ${file}`);
}
