// What /add and /rm mean for the slots that exist: who joins, who leaves, or why not, in the assignment's own words where
// it has some. Pure; the shape of the JSON is checked before (admin/payload.ts), and nothing changes on a refusal.

import { lowestFree } from './slots.ts';

/** The end of an operator's request. `message` is plain words; admin writes the `<Error> ` before it. */
export type Outcome = { readonly ok: true } | Refusal;

export interface Refusal {
  readonly ok: false;
  readonly status: number;
  readonly message: string;
}

export interface MembershipChange {
  readonly count: number;
  readonly names: readonly string[];
}

export type Plan = { readonly ok: true; readonly names: readonly string[] } | Refusal;

/** Names become host names and container names: RFC 1123 section 2.1, RFC 1035 section 2.3.1 (63 octets). */
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
/** Names are cut in messages. */
const LONGEST_SHOWN = 80;

export const refuse = (status: number, message: string): Refusal => ({ ok: false, status, message });

export const isSlotName = (name: string): boolean => DNS_LABEL.test(name);

/**
 * `taken`: names in use, also those that are only just joining. `faultOf`: why so many slots cannot be, or null.
 * Unnamed ones get the lowest free numbers.
 */
export function planAdd(
  change: MembershipChange,
  taken: ReadonlySet<string>,
  faultOf: (slotCount: number) => string | null,
): Plan {
  const wrong = wrongShape(change);
  if (wrong !== null) return refuse(400, wrong);
  if (change.names.length > change.count) {
    return refuse(400, 'Length of hostname list is more than newly added instances');
  }
  // Compared without case: they are host names, and a container's name is its slot's.
  const inUse = new Set([...taken].map(name => name.toLowerCase()));
  for (const name of change.names) {
    if (!isSlotName(name))
      return refuse(400, `${shown(name)} is no DNS label: letters, digits and inner hyphens, at most 63`);
    if (inUse.has(name.toLowerCase())) return refuse(400, `${shown(name)} is taken`);
  }
  const fault = faultOf(taken.size + change.count);
  if (fault !== null) return refuse(400, fault);
  const names = [...change.names];
  for (const name of names) inUse.add(name.toLowerCase());
  while (names.length < change.count) {
    const name = lowestFree(inUse);
    inUse.add(name);
    names.push(name);
  }
  return { ok: true, names };
}

/** `listed`: the names of `/rep`, oldest first. Unnamed ones are taken from the newest. */
export function planRemove(change: MembershipChange, listed: readonly string[]): Plan {
  const wrong = wrongShape(change);
  if (wrong !== null) return refuse(400, wrong);
  if (change.names.length > change.count) {
    return refuse(400, 'Length of hostname list is more than removable instances');
  }
  for (const name of change.names) {
    if (!listed.includes(name)) return refuse(400, `${shown(name)} is not a replica`);
  }
  if (change.count > listed.length) {
    return refuse(400, `n is ${change.count}, but there are only ${listed.length} replicas`);
  }
  const names = [...change.names];
  for (let i = listed.length - 1; names.length < change.count; i--) {
    const name = listed[i]!;
    if (!names.includes(name)) names.push(name);
  }
  return { ok: true, names };
}

function wrongShape({ count, names }: MembershipChange): string | null {
  if (!Number.isSafeInteger(count) || count < 1) return 'n must be a whole number of at least 1';
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name.toLowerCase())) return `${shown(name)} is named twice`;
    seen.add(name.toLowerCase());
  }
  return null;
}

const shown = (name: string): string =>
  JSON.stringify(name.length > LONGEST_SHOWN ? `${name.slice(0, LONGEST_SHOWN)}...` : name);
