// What torc remembers for the torc after it, in files that only its user reads. Written beside and renamed, so that a crash
// leaves the old text or the new one, and never half of one.

import { renameSync, writeFileSync } from 'node:fs';

const OWNER_ONLY = 0o600;

/** Throws what node:fs throws. */
export function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: OWNER_ONLY });
  renameSync(`${path}.new`, path);
}
