// What a replica's last words ask for: an image that prepares itself as root and then becomes another user (nginx, Apache,
// Postgres, Redis do) needs capabilities that torc drops, and says no more than "Operation not permitted". Here that is
// turned into the words to add. Only for programs that run as root: another user's capabilities are gone anyway, and its
// refusals are about files. Patterns are those of libc's errors and of the usual entry points (gosu, su-exec, setpriv, su).

interface Privileges {
  readonly User: string;
  readonly CapAdd: readonly string[];
  readonly CapDrop: readonly string[];
}

/** Who changes owners at the start becomes that owner next, so the three are named together. */
const BECOME_USER = ['CHOWN', 'SETGID', 'SETUID'];
const REFUSED = /operation not permitted|permission denied|\bE(PERM|ACCES)\b/i;
const SIGNS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/chown|chgrp|changing (owner|group)/i, BECOME_USER],
  [
    /set(res|re|e|fs)?[ug]id|(set|init)groups|set (groups|[ug]ids?)|(switch|chang)\w* (to )?(user|group|['"])/i,
    BECOME_USER,
  ],
  [/failed switching to|gosu|su-exec|setpriv/i, BECOME_USER],
  [/chmod|changing permissions|utime/i, ['FOWNER']],
  [/\bbind\b|\bbind\(|listen|address \S*:\d{1,3}\b/i, ['NET_BIND_SERVICE']],
  [/chroot/i, ['SYS_CHROOT']],
  [/mknod/i, ['MKNOD']],
  [/setcap/i, ['SETFCAP']],
  [/raw socket|icmp|\bping\b/i, ['NET_RAW']],
  [/iptables|nftables|ip(route)?2|tun\b/i, ['NET_ADMIN']],
  [/mkdir|open|create|write|access|read|unlink|rename|touch|cannot/i, ['DAC_OVERRIDE']],
];

/** Names what to add, or null where the output does not speak of a lacking privilege. */
export function adviceOn(output: string, privileges: Privileges): string | null {
  if (/no new privileges|no_new_privs|effective uid is not 0/i.test(output))
    return 'it wants to gain privileges, which torc forbids: add security_opt: [no-new-privileges:false] to the service';
  if (!/^(root|0)?(:|$)/.test(privileges.User)) return null;
  const wanted = new Set<string>();
  for (const line of output.split('\n')) {
    if (!REFUSED.test(line)) continue;
    const sign = SIGNS.find(([pattern]) => pattern.test(line))?.[1];
    // "Permission denied" alone is about a file; "not permitted" alone, most often about becoming a user.
    for (const capability of sign ??
      (/permission denied|EACCES/i.test(line) ? ['DAC_OVERRIDE'] : BECOME_USER))
      wanted.add(capability);
  }
  const lacking = [...wanted].filter(capability => isDropped(capability, privileges)).sort();
  if (lacking.length === 0) return null;
  return `it lacks capabilities that torc drops: add cap_add: [${lacking.join(', ')}] to the service, or set TORC_CAP_ADD=${lacking.join(',')}`;
}

function isDropped(capability: string, { CapAdd, CapDrop }: Privileges): boolean {
  const names = (list: readonly string[]): string[] =>
    list.map(name => name.toUpperCase().replace(/^CAP_/, ''));
  const added = names(CapAdd);
  if (added.includes('ALL') || added.includes(capability)) return false;
  const dropped = names(CapDrop);
  return dropped.includes('ALL') || dropped.includes(capability);
}
