// The public listening sockets. The primary makes them, keeps them to its end and hands each to the worker that accepts from
// it, so that a worker's death takes only what it had accepted: what the kernel has queued meanwhile waits for whoever gets
// the socket next. Where the kernel can share a port (SO_REUSEPORT), each seat (a worker and its successors) has a socket of
// its own and connections are dealt out evenly; a unix socket is one for all. The primary only binds: node:net has no public
// name for that on every Node that torc runs on, so this is the one place that asks for what node:cluster itself is made of.
// (docs/decisions/0027-sockets-outlive-workers.md)

import type { SendHandle } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import net, { isIPv6 } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { Address } from '../core/address.ts';
import { StartError } from '../core/errors.ts';
import { hostPort, isSocketPath } from '../core/host-port.ts';
import type { Keeper } from '../core/succession.ts';
import { publicFault } from './listen.ts';
import { birthplaceOf, SocketFiles } from './socket-file.ts';

/** Elsewhere the port could be shared, but the kernel would not deal the connections out. */
const CAN_REUSE_PORT = process.platform === 'linux';
/** libuv's UV_TCP_REUSEPORT. */
const REUSE_PORT = 2;

export type Handle = SendHandle & {
  close(): void;
  /** Of TCP alone; as libuv answers: below 0 is a fault. */
  getsockname?(out: object): number;
  getpeername?(out: object): number;
};

const createHandle = (
  net as unknown as {
    _createServerHandle(
      address: string | null,
      port: number | null,
      addressType: number | null,
      fd?: number,
      flags?: number,
    ): Handle | number;
  }
)._createServerHandle;

/** A listening socket that another process made: the torc before this one, or a service manager, who keeps it then. */
export interface Inherited {
  readonly handle: object;
  readonly keeper: Keeper | null;
}

export interface ListeningSocket {
  readonly id: number;
  readonly address: Address;
  /** Whose worker accepts from it; null: all do. */
  readonly seat: number | null;
  readonly handle: SendHandle;
  /** Null: torc made it. */
  readonly keeper: Keeper | null;
}

export class ListeningSockets {
  readonly #addresses: readonly Address[];
  readonly #seats: number;
  /** By place. */
  readonly #inherited: ReadonlyMap<string, readonly Inherited[]>;
  readonly #files: SocketFiles;
  #sockets: (ListeningSocket & { readonly handle: Handle })[] = [];
  /** The files of unix sockets are another torc's: of the one before this one, or of the one after it. */
  keepsFiles: boolean;

  constructor(
    addresses: readonly Address[],
    seats: number,
    inherited: ReadonlyMap<string, readonly Inherited[]> = new Map(),
  ) {
    this.#addresses = addresses;
    this.#seats = seats;
    this.#inherited = inherited;
    const isKept = (address: Address): boolean => inherited.get(placeOf(address))?.[0]?.keeper != null;
    const own = addresses.filter(address => !isKept(address));
    this.keepsFiles = own.some(address => inherited.has(placeOf(address)));
    this.#files = new SocketFiles(own, host => inherited.has(host));
  }

  get all(): readonly ListeningSocket[] {
    return this.#sockets;
  }

  /** Rejects with StartError where an address cannot be had. Nobody can connect before a worker listens. */
  async open(): Promise<void> {
    this.#files.prepare();
    for (const address of this.#addresses) {
      const isOne = !CAN_REUSE_PORT || isSocketPath(address.host);
      const found = [...(this.#inherited.get(placeOf(address)) ?? [])];
      // Beside a service manager's own no more can be bound: they are as many as it made.
      const isKept = found.some(({ keeper }) => keeper !== null);
      while (!isKept && found.length < (isOne ? 1 : this.#seats))
        found.push({ handle: await bind(address), keeper: null });
      // The same one, from several workers that outlived their primary.
      if (isOne && !isKept) for (const { handle } of found.splice(1)) (handle as Handle).close();
      const isShared = found.length < this.#seats;
      // Of a torc with more workers some seats have two: what waits in each is served.
      for (const [index, { handle, keeper }] of found.entries())
        this.#sockets.push({
          ...{ id: this.#sockets.length, address, handle: handle as Handle, keeper },
          seat: isShared ? null : index % this.#seats,
        });
    }
    const places = this.#addresses.map(placeOf);
    for (const [place, sockets] of this.#inherited)
      if (!places.includes(place)) for (const { handle } of sockets) (handle as Handle).close();
  }

  /** A worker listens: the files of unix sockets are put where clients look for them. */
  onListening(): void {
    this.#files.place();
  }

  /** Workers that still have them are the last: when they close them too, nobody new comes in. */
  close(): void {
    for (const { handle } of this.#sockets) handle.close();
    this.#sockets = [];
    if (!this.keepsFiles) this.#files.remove();
  }
}

/** Names an address among those of a torc, and among those of its successor. */
export const placeOf = ({ host, port }: Pick<Address, 'host' | 'port'>): string =>
  isSocketPath(host) ? host : hostPort(host, port);

async function bind(address: Address): Promise<Handle> {
  const { host, port } = address;
  try {
    return await bindTo(isSocketPath(host) ? birthplaceOf(host) : host, port, CAN_REUSE_PORT);
  } catch (error) {
    throw new StartError(publicFault(address, error));
  }
}

/** A socket that is bound and not yet listened on. Rejects with what has a `code`. */
export async function bindTo(host: string, port: number, isShared = false): Promise<Handle> {
  const isPath = isSocketPath(host);
  const address = isPath ? host : (await lookup(host)).address;
  const made = isPath
    ? createHandle(address, -1, -1)
    : createHandle(address, port, isIPv6(address) ? 6 : 4, undefined, isShared ? REUSE_PORT : 0);
  // libuv tells a port that is taken only to the next question.
  const code = typeof made === 'number' ? made : (made.getsockname?.({}) ?? 0);
  if (code !== 0) throw Object.assign(new Error('cannot bind'), { code: getSystemErrorName(code) });
  return made as Handle;
}

/** A descriptor that this process was started with, as it is; null where it is no socket of TCP and no unix socket. */
export function openHandle(fd: number): Handle | null {
  const made = createHandle(null, null, null, fd);
  return typeof made === 'number' ? null : made;
}
