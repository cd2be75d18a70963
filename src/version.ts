// Which torc this is: for --version, the banner, the first line of the log, /admin/status and /metrics, which those read who
// run it. Never in what a client is sent: there it would only tell which faults to try.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './core/installation.ts';

/** Of package.json. */
export function ownVersion(): string {
  const text = readFileSync(join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
