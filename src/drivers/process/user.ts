// As whom a replica process runs: a name or number, with or without a group, as Compose's `user` has it. Names are asked of
// `id`, which knows what the system knows (also LDAP); node has no call for it. Only root may start programs as others, so
// what cannot work is said before anything starts.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { StartError } from '../../core/errors.ts';

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

const TIMEOUT_MS = 5_000;

/** Null where it is torc's own user anyway. Throws StartError. */
export async function resolveUser(written: string): Promise<UserIds | null> {
  const [user = '', group] = written.split(':');
  const uid = /^\d+$/.test(user) ? Number(user) : await askId('-u', user, written);
  const gid = group === undefined ? await askId('-g', user, written) : groupId(group, written);
  if (uid === process.geteuid?.() && gid === process.getegid?.()) return null;
  if (process.geteuid?.() !== 0)
    throw new StartError(
      `user: ${written}: torc runs as ${process.geteuid?.()}, and only root starts programs as others; take user out, or start torc as root or as that user`,
    );
  return { uid, gid };
}

async function askId(what: '-u' | '-g', user: string, written: string): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)('id', [what, '--', user], { timeout: TIMEOUT_MS });
    return Number(stdout.trim());
  } catch {
    const hint = /^\d+$/.test(user)
      ? `has no group of its own here; allowed: ${user}:GROUP`
      : 'is not known here';
    throw new StartError(`user: ${written}: ${user} ${hint}`);
  }
}

function groupId(group: string, written: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find(one => one.startsWith(`${group}:`));
  if (line === undefined) throw new StartError(`user: ${written}: the group ${group} is not in /etc/group`);
  return Number(line.split(':')[2]);
}
