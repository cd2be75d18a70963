// A place for state (TORC_STATE_DIR) of a test's own: no test sees another's, or that of the torc that runs on this
// machine. All go when the test file ends, not before: a replica that outlives its torc still writes there.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];

process.on('exit', () => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

export function temporaryState(): string {
  const path = mkdtempSync(join(tmpdir(), 'torctest-state-'));
  made.push(path);
  return path;
}
