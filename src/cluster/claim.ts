// One torc on one address. Workers share their port (SO_REUSEPORT), so the kernel lets a second torc of the same user in
// between them and deals it half of the clients. A plain listen beforehand finds one that serves, but not one that is
// just starting, nor one whose only worker is being replaced. So the primary holds a name for its life: an abstract Unix
// socket, which ends with its process and is seen where its ports are (one network namespace). Looking and taking are
// one step, because a second name, a mutex for the port, is held around both. No file: that would outlive a crash.

import { createHash } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { createServer, isIPv4, type Server } from 'node:net';
import { resolve } from 'node:path';
import type { Address } from '../core/address.ts';
import { StartError } from '../core/errors.ts';
import { hostPort, isSocketPath } from '../core/host-port.ts';
import { checkAddress } from './listen.ts';

const user = process.getuid?.() ?? 0;
const MUTEX_POLL_MS = 20;
/** It is held for some milliseconds; a holder that was stopped just then is not waited for longer. */
const MUTEX_TIMEOUT_MS = 10_000;

export interface Holder {
  readonly address: string;
  readonly pid: string;
  readonly sinceMs: number;
}

type Where = Pick<Address, 'host' | 'port' | 'setting'>;

/**
 * Takes the address for this process's life, or until the result is called; StartError when another program, or another torc,
 * has it. `before`: the torc that this one takes over from (0: none), and whether there are sockets of the address for us.
 */
export async function claimAddress(
  where: Where,
  before: { readonly pid: number; readonly isOurs: boolean } = { pid: 0, isOurs: false },
): Promise<() => void> {
  if (process.platform !== 'linux') {
    if (!before.isOurs) await checkAddress(where);
    return () => {};
  }
  const { host, port } = where;
  const place = placeOf(host, port);
  const address = isSocketPath(host)
    ? 'unix'
    : await lookup(host).then(
        found => found.address,
        () => host, // the plain listen says what is wrong with it
      );
  const mutex = await lock(place, where);
  try {
    const pid = String(process.pid);
    const holder = holdersOf(readNames(), user, place).find(
      other => other.pid !== pid && other.pid !== String(before.pid) && overlap(other.address, address),
    );
    if (holder !== undefined) throw new StartError(heldBy(where, holder));
    if (!before.isOurs) await checkAddress(where);
    const name = await listen(nameOf(user, place, { address, pid, sinceMs: Date.now() }));
    name.unref();
    return () => name.close();
  } finally {
    mutex.close();
  }
}

/** Whether the kernel would let at most one of two torcs listen, or both on one address. */
export function overlap(a: string, b: string): boolean {
  const covers = (wide: string, narrow: string): boolean =>
    wide === '::' || (wide === '0.0.0.0' && isIPv4(narrow));
  return a === b || covers(a, b) || covers(b, a);
}

/** What a name says of an address: its port, or a unix socket's path, which is too long for a name. */
const placeOf = (host: string, port: number): string =>
  isSocketPath(host) ? createHash('sha256').update(resolve(host)).digest('hex').slice(0, 16) : String(port);

/** The holders of a place in the text of /proc/net/unix, where an abstract name begins with "@". */
export function holdersOf(names: string, user: number, place: string): Holder[] {
  const line = new RegExp(`@torc/${user}/${place}/([^/\\s]+)/(\\d+)/(\\d+)@*$`, 'gm');
  return [...names.matchAll(line)].map(([, address, pid, sinceMs]) => ({
    address: address!,
    pid: pid!,
    sinceMs: Number(sinceMs),
  }));
}

export const nameOf = (user: number, place: string, { address, pid, sinceMs }: Holder): string =>
  `\0torc/${user}/${place}/${address}/${pid}/${sinceMs}`;

function heldBy({ host, port, setting }: Where, { address, pid, sinceMs }: Holder): string {
  const where = address === host || isSocketPath(host) ? '' : ` on ${address}`;
  const since = new Date(sinceMs).toISOString();
  return `${hostPort(host, port)} is taken by another torc${where} (pid ${pid}, since ${since}): end it, or set ${setting} to ${isSocketPath(host) ? 'another path' : 'a free port'}`;
}

function readNames(): string {
  try {
    return readFileSync('/proc/net/unix', 'utf8');
  } catch {
    return ''; // hidden in some sandboxes; the plain listen is what remains
  }
}

async function lock(place: string, { host, port }: Where): Promise<Server> {
  const deadlineMs = performance.now() + MUTEX_TIMEOUT_MS;
  for (;;) {
    try {
      return await listen(`\0torc/${user}/${place}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw new StartError(`${error}`);
      if (performance.now() > deadlineMs)
        throw new StartError(
          `another torc has been starting on ${hostPort(host, port)} for ${MUTEX_TIMEOUT_MS} ms: end it`,
        );
    }
    await new Promise(resolve => setTimeout(resolve, MUTEX_POLL_MS));
  }
}

function listen(name: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy());
    server.once('error', reject);
    server.listen(name, () => resolve(server));
  });
}
