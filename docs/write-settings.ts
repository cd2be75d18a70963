// `npm run settings`: writes the table of settings into docs/operations.md and the settings that docker/compose.yaml passes
// on, between their markers, from the rows of src/config/fields.ts. Written by hand they had drifted apart: 26 of 41 settings
// did not reach the container. test/rules.test.ts fails when either is not what this writes.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fields } from '../src/config/fields.ts';
import { flagOf } from '../src/config/load.ts';

const root = join(import.meta.dirname, '..');

/** What the container decides itself: its own listener, its one driver, its own disk, its network's name. */
const SET_BY_COMPOSE = ['HOST', 'PORT', 'TORC_DRIVER', 'TORC_NETWORK', 'TORC_ADMIN_OPEN', 'TORC_STATE_DIR'];

/** What another value needs (config/kinds.ts), in a word. */
const CHANGES = { live: 'live', rollout: 'roll-out', restart: 'restart' } as const;

function settingsTable(): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const lines = Object.values(fields).map(({ name, fallback, unit, allowed, meaning, changes }) => {
    const value = fallback === null ? '-' : `${fallback}${unit === '' ? '' : ` ${unit}`}`;
    return `| ${[`\`${name}\``, `\`${flagOf(name)}\``, value, allowed, CHANGES[changes], meaning].map(cell).join(' | ')} |`;
  });
  return [
    '| name | flag | default | allowed | changes | meaning |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

/** Names without a value: Compose passes on what the environment has, and leaves unset what it has not. */
function composeEnvironment(): string {
  return Object.values(fields)
    .filter(({ name }) => !SET_BY_COMPOSE.includes(name))
    .map(({ name }) => `      ${name}:`)
    .join('\n');
}

function between(text: string, begin: string, end: string, written: string): string {
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end, from);
  if (from < begin.length || to === -1) throw new Error(`no ${begin} ... ${end}`);
  return `${text.slice(0, from)}\n${written}\n${text.slice(to)}`;
}

/** Each written page with the text it shall have. */
export function writtenPages(): ReadonlyMap<string, string> {
  const page = (path: string): string => readFileSync(join(root, path), 'utf8');
  return new Map([
    [
      'docs/operations.md',
      between(page('docs/operations.md'), '<!-- settings -->', '<!-- end of settings -->', settingsTable()),
    ],
    [
      'docker/compose.yaml',
      between(
        page('docker/compose.yaml'),
        '      # Every other setting, as npm run settings writes them.',
        '      # End of the settings.',
        composeEnvironment(),
      ),
    ],
  ]);
}

if (import.meta.main) {
  for (const [path, text] of writtenPages()) writeFileSync(join(root, path), text);
}
