// Listening sockets that a service manager made and keeps (systemd's socket activation, sd_listen_fds(3)). They take the place of
// binding, by their address: ports below 1024 need no privilege, and while no torc runs, clients wait in them. One that fits none
// of torc's addresses would have clients wait for ever, so it is a fault and told by its name. Not by names alone
// (FileDescriptorName=): what torc listens on would be said in two places. (docs/decisions/0033-socket-activation.md)

import { lookup } from 'node:dns/promises';
import { readFileSync, readlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { StartError } from '../core/errors.ts';
import { hostPort, isSocketPath } from '../core/host-port.ts';
import type { Log } from '../core/log.ts';
import type { Keeper } from '../core/succession.ts';
import { type Handle, type Inherited, openHandle, placeOf } from './sockets.ts';

const FIRST_FD = 3;
/** A unit of systemd may have more; nobody listens on so many. */
const MOST = 256;
/** Of /proc/net/unix: somebody listens on it (__SO_ACCEPTCON). */
const LISTENS = '00010000';

export interface KeptSocket extends Inherited {
  readonly keeper: Keeper;
}

type Where = Pick<Keeper, 'host' | 'port'>;

/** Those that this process was started with. The variables are taken out: they are for nobody that torc starts. */
export function keptSockets(env: NodeJS.ProcessEnv, pid: number, log: Log): readonly KeptSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (LISTEN_PID === undefined) return [];
  if (LISTEN_PID !== String(pid)) {
    log.warn(
      { pid },
      `LISTEN_PID is ${LISTEN_PID}: the sockets are kept for that process and not taken; start torc without a shell or npm before it`,
    );
    return [];
  }
  const count = Number(LISTEN_FDS);
  if (!(Number.isInteger(count) && count > 0 && count <= MOST))
    throw new StartError(`LISTEN_FDS is ${LISTEN_FDS}: a number of sockets, 1 to ${MOST}, is wanted`);
  const names = LISTEN_FDNAMES.split(':');
  return Array.from({ length: count }, (_, index) =>
    keptSocket(FIRST_FD + index, names[index] || `descriptor ${FIRST_FD + index}`),
  );
}

function keptSocket(fd: number, name: string): KeptSocket {
  const handle = openHandle(fd);
  const where = handle && (boundTo(handle) ?? pathOf(fd));
  if (where) return { keeper: { name, ...where }, handle };
  throw new StartError(
    `${name} (descriptor ${fd}) is no listening stream socket: the socket unit may have ListenStream=ADDRESS:PORT and ListenStream=/PATH, and no Accept=yes`,
    { exitCode: 2 },
  );
}

/** Null where it is no socket of TCP, or one that is connected. */
function boundTo(handle: Handle): Where | null {
  const own: { address?: string; port?: number } = {};
  if (handle.getsockname === undefined || handle.getsockname(own) !== 0) return null;
  return handle.getpeername?.({}) === 0 ? null : { host: own.address!, port: own.port! };
}

/** libuv does not say what a unix socket is bound to. */
function pathOf(fd: number): Where | null {
  const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`)) ?? [];
  const line = new RegExp(`^\\S+: \\S+ \\S+ ${LISTENS} \\S+ \\S+ +${inode} (.+)$`, 'm');
  const [, path] = line.exec(readFileSync('/proc/self/net/unix', 'utf8')) ?? [];
  return path === undefined ? null : { host: path, port: 0 };
}

/** By place, which of them each address has. Rejects with StartError where one fits no address. */
export async function byPlace(
  kept: readonly KeptSocket[],
  addresses: readonly Where[],
): Promise<ReadonlyMap<string, readonly KeptSocket[]>> {
  const found = new Map<string, readonly KeptSocket[]>();
  if (kept.length === 0) return found;
  const resolved = await Promise.all(addresses.map(resolvedOf));
  const faults: string[] = [];
  for (const socket of kept) {
    const { name, host, port } = socket.keeper;
    const address = addresses[resolved.findIndex(where => fits(socket.keeper, where))];
    if (address !== undefined) {
      const place = placeOf(address);
      found.set(place, [...(found.get(place) ?? []), socket]);
    } else
      faults.push(
        `${name} listens on ${hostPort(host, port)}, and torc on ${addresses.map(placeOf).join(', ')}: name its address in TORC_LISTEN (or HOST and PORT), or take it out of the socket unit`,
      );
  }
  if (faults.length > 0) throw new StartError(faults.join('\ntorc: '), { exitCode: 2 });
  return found;
}

/** One on `::` serves IPv4 too. A loopback address is never served by a wider one: whoever comes by it is trusted more. */
export const fits = (socket: Where, wanted: Where): boolean =>
  socket.port === wanted.port &&
  (socket.host === wanted.host || (socket.host === '::' && wanted.host === '0.0.0.0'));

async function resolvedOf({ host, port }: Where): Promise<Where> {
  if (isSocketPath(host)) return { host: resolve(host), port };
  return lookup(host).then(
    ({ address }) => ({ host: address, port }),
    () => ({ host, port }), // whoever binds it says what is wrong
  );
}
