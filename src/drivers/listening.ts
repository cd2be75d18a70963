// Where a program listens, as the kernel tells: /proc/PID/net/tcp and tcp6 of its network, and the sockets that its processes
// hold, where it shares that network with others. For people: a program that listens on another port than torc asks, or on
// its loopback alone, is the most common reason for a start that never answers, and "connection refused" does not say which.
// Linux only, and only what this user may read; whoever cannot tell says nothing (proc(5), Documentation/networking/proc_net_tcp).

import { readdir, readFile, readlink } from 'node:fs/promises';
import type { Listening } from '../control/driver.ts';

export interface Listener {
  readonly host: string;
  readonly port: number;
  readonly inode: string;
}

const LISTEN = '0A';
/** Processes of a group whose descriptors are looked at: a shell, what it started, and their workers. */
const MOST_PROCESSES = 256;
const MOST_SHOWN = 16;

/** The listening sockets of a /proc/net/tcp or tcp6. */
export function parseListeners(table: string): Listener[] {
  const found: Listener[] = [];
  for (const line of table.split('\n').slice(1)) {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    const [address = '', port = ''] = local.split(':');
    if (state !== LISTEN || !/^([0-9A-F]{8}|[0-9A-F]{32})$/.test(address)) continue;
    found.push({ host: addressOf(address), port: Number.parseInt(port, 16), inode });
  }
  return found;
}

/** Words of 32 bits, each in the order of the machine: little-endian on all that Node runs on. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length === 4) return [...bytes.reverse()].join('.');
  const groups = [...bytes.swap32()].map((byte, index, all) =>
    index % 2 === 0 ? byte * 256 + all[index + 1]! : -1,
  );
  const words = groups.filter(word => word !== -1);
  const isMapped = words.slice(0, 5).every(word => word === 0) && words[5] === 0xffff;
  if (isMapped) return [words[6]! >> 8, words[6]! & 255, words[7]! >> 8, words[7]! & 255].join('.');
  // The URL's own serializer shortens the zeros.
  return new URL(`http://[${words.map(word => word.toString(16)).join(':')}]`).hostname.slice(1, -1);
}

/** All that listens in the network of a process; null where it cannot be read. */
export async function listenersOf(pid: number): Promise<Listener[] | null> {
  try {
    const [v4, v6] = await Promise.all([
      readFile(`/proc/${pid}/net/tcp`, 'utf8'),
      readFile(`/proc/${pid}/net/tcp6`, 'utf8').catch(() => ''),
    ]);
    return [...parseListeners(v4), ...parseListeners(v6)];
  } catch {
    return null;
  }
}

/** What the processes of a group listen on; null where it cannot be read. */
export async function listenersOfGroup(groupId: number): Promise<Listener[] | null> {
  const listeners = await listenersOf(groupId);
  const sockets = listeners === null ? null : await socketsOfGroup(groupId);
  return sockets === null ? null : listeners!.filter(({ inode }) => sockets.has(inode));
}

export function listeningOf(port: number, listeners: readonly Listener[] | null): Listening {
  const sockets = listeners?.slice(0, MOST_SHOWN).map(({ host, port: at }) => ({ host, port: at })) ?? null;
  return { port, sockets, isDeclared: false };
}

async function socketsOfGroup(groupId: number): Promise<ReadonlySet<string> | null> {
  const sockets = new Set<string>();
  try {
    const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name));
    const isOfGroup = await Promise.all(pids.map(async pid => (await groupOf(pid)) === groupId));
    for (const pid of pids.filter((_, index) => isOfGroup[index]).slice(0, MOST_PROCESSES))
      for (const inode of await socketsOf(pid)) sockets.add(inode);
    return sockets;
  } catch {
    return null;
  }
}

/** proc(5): `pid (name) state ppid pgrp ...`; the name may hold anything. */
async function groupOf(pid: string): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2] ?? -1);
}

async function socketsOf(pid: string): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const targets = await Promise.all(descriptors.map(fd => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  return targets.flatMap(target => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []);
}
