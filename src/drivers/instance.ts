// Who this installation is: a random id, made once and kept with the rest of its state. What carries it on an engine was
// made by this torc or an earlier run of it, whatever somebody else names or labels. Not the host's name or a digest of
// settings: two installations may have the same of both, and a container gets a new name each time.

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartError } from '../core/errors.ts';

const FILE = 'instance';
const OWNER_ONLY = 0o600;

/** 16 hex digits, the same at every call for one state root (drivers/state.ts). */
export function instanceId(stateRoot: string): string {
  const path = join(stateRoot, FILE);
  try {
    // Made by one, read by all: of two that start at once the second fails here and reads.
    writeFileSync(path, `${randomBytes(8).toString('hex')}\n`, { flag: 'wx', mode: OWNER_ONLY });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw new StartError(`cannot write ${path} (${code})`, { cause: error });
  }
  const id = readFileSync(path, 'utf8').trim();
  if (/^[0-9a-f]{16}$/.test(id)) return id;
  throw new StartError(`${path} holds no instance id: remove it (replicas that it owns are then left alone)`);
}
