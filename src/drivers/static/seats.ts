// Who of a name's addresses fills which seat. A seat is a numbered place of a group (all addresses of one name), and its
// name is what the ring hashes: so an address that follows another one in its seat has the same keys. Pure, and the least
// possible moves: who has a seat keeps it; who is new takes the seat that was left last, else waits for one answer more,
// because a rolling restart often shows the new one before the old one goes, and only then gets a seat of its own.
// Not by address (as plain upstreams are): each restart would move two servers' worth of keys. Not by place in the answer:
// servers rotate it.

import ipaddr from 'ipaddr.js';

/** An address that a name was found to have. */
export interface Found {
  readonly group: string;
  /** The name stands for one server (web-0.web), and so for the group's first seat. */
  readonly isNamed: boolean;
  readonly host: string;
  readonly port: number;
}

export interface Seat {
  readonly group: string;
  /** 1, 2, ... */
  readonly number: number;
  /** `host:port` of who has it, or had it last. */
  readonly address: string;
  /** Since when it is empty; null: it is not. */
  readonly leftMs: number | null;
}

export interface Waiting {
  readonly group: string;
  readonly address: string;
  readonly sinceMs: number;
}

export interface Seating {
  readonly seats: readonly Seat[];
  readonly waiting: readonly Waiting[];
}

export interface SeatRules {
  readonly nowMs: number;
  /** How long a new address waits for a seat to be left. */
  readonly holdMs: number;
  /** How long an empty seat is remembered. */
  readonly forgetMs: number;
}

export const NOBODY: Seating = { seats: [], waiting: [] };

/** `addresses`: `host:port` by group. The order of either means nothing. */
export function seatAll(
  before: Seating,
  addresses: ReadonlyMap<string, ReadonlySet<string>>,
  rules: SeatRules,
): Seating {
  const groups = [...new Set([...addresses.keys(), ...before.seats.map(seat => seat.group)])].sort();
  const seats: Seat[] = [];
  const waiting: Waiting[] = [];
  for (const group of groups) {
    const after = seatGroup(group, before, addresses.get(group) ?? new Set(), rules);
    seats.push(...after.seats);
    waiting.push(...after.waiting);
  }
  return { seats, waiting };
}

function seatGroup(
  group: string,
  before: Seating,
  addresses: ReadonlySet<string>,
  { nowMs, holdMs, forgetMs }: SeatRules,
): Seating {
  const seats = before.seats
    .filter(seat => seat.group === group)
    .map(seat => ({ ...seat, leftMs: addresses.has(seat.address) ? null : (seat.leftMs ?? nowMs) }))
    .filter(({ leftMs }) => leftMs === null || nowMs - leftMs < forgetMs);
  const since = new Map(
    before.waiting.flatMap(each => (each.group === group ? [[each.address, each.sinceMs]] : [])),
  );
  const sinceOf = (address: string): number => since.get(address) ?? nowMs;
  const seated = new Set(seats.map(seat => seat.address));
  const unseated = [...addresses]
    .filter(address => !seated.has(address))
    .sort((a, b) => sinceOf(a) - sinceOf(b) || (a < b ? -1 : 1));
  const empty = seats
    .filter(seat => seat.leftMs !== null)
    .sort((a, b) => b.leftMs! - a.leftMs! || a.number - b.number);
  const isFirst = seats.length === 0;
  const waiting: Waiting[] = [];
  for (const address of unseated) {
    const seat = empty.shift();
    const sinceMs = sinceOf(address);
    if (seat) Object.assign(seat, { address, leftMs: null });
    else if (isFirst || nowMs - sinceMs >= holdMs)
      seats.push({ group, number: lowestFree(seats), address, leftMs: null });
    else waiting.push({ group, address, sinceMs });
  }
  return { seats: seats.sort((a, b) => a.number - b.number), waiting };
}

function lowestFree(seats: readonly Seat[]): number {
  const taken = new Set(seats.map(seat => seat.number));
  let number = 1;
  while (taken.has(number)) number++;
  return number;
}

/** When somebody has waited long enough; Infinity: nobody waits. */
export const seatDueMs = ({ waiting }: Seating, holdMs: number): number =>
  waiting.reduce((dueMs, { sinceMs }) => Math.min(dueMs, sinceMs + holdMs), Number.POSITIVE_INFINITY);

/** What the slot is called: `web:80~2`; of a named server `web-0.web`, and `web-0.web~2` where that has several. */
export const seatName = ({ group, number }: Pick<Seat, 'group' | 'number'>, isNamed: boolean): string =>
  isNamed && number === 1 ? group : `${group}~${number}`;

/**
 * Whether a target's name only spells its address: `10-0-0-5.web` (Kubernetes, a pod without a host name), `ip-10-0-0-5`
 * (Amazon), `0a000005.addr` (Consul). Such a name dies with the address, and names no server that comes back.
 */
export function isMadeOf(target: string, address: string): boolean {
  const label = target.split('.')[0]!.toLowerCase();
  const bytes = ipaddr.parse(address).toByteArray();
  if (label === bytes.map(byte => byte.toString(16).padStart(2, '0')).join('')) return true;
  const dashed = address.includes('.') ? /(?:^|-)(\d+-\d+-\d+-\d+)$/.exec(label)?.[1] : label;
  const spelt = dashed?.replaceAll('-', address.includes('.') ? '.' : ':') ?? '';
  return ipaddr.isValid(spelt) && ipaddr.parse(spelt).toString() === ipaddr.parse(address).toString();
}
