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
import { publicFault } from './listen.ts';
import { birthplaceOf, SocketFiles } from './socket-file.ts';

/** Elsewhere the port could be shared, but the kernel would not deal the connections out. */
const CAN_REUSE_PORT = process.platform === 'linux';
/** libuv's UV_TCP_REUSEPORT. */
const REUSE_PORT = 2;

export type Handle = SendHandle & { close(): void; getsockname(out: object): number };

const createHandle = (
  net as unknown as {
    _createServerHandle(
      address: string,
      port: number,
      addressType: number,
      fd?: number,
      flags?: number,
    ): Handle | number;
  }
)._createServerHandle;

export interface ListeningSocket {
  readonly id: number;
  readonly address: Address;
  /** Whose worker accepts from it; null: all do. */
  readonly seat: number | null;
  readonly handle: SendHandle;
}

export class ListeningSockets {
  readonly #addresses: readonly Address[];
  readonly #seats: number;
  /** By place, from the torc before this one. */
  readonly #inherited: ReadonlyMap<string, readonly object[]>;
  readonly #files: SocketFiles;
  #sockets: (ListeningSocket & { readonly handle: Handle })[] = [];
  /** The files of unix sockets are another torc's: of the one before this one, or of the one after it. */
  keepsFiles: boolean;

  constructor(
    addresses: readonly Address[],
    seats: number,
    inherited: ReadonlyMap<string, readonly object[]> = new Map(),
  ) {
    this.#addresses = addresses;
    this.#seats = seats;
    this.#inherited = inherited;
    this.keepsFiles = inherited.size > 0;
    this.#files = new SocketFiles(addresses, host => inherited.has(host));
  }

  get all(): readonly ListeningSocket[] {
    return this.#sockets;
  }

  /** Rejects with StartError where an address cannot be had. Nobody can connect before a worker listens. */
  async open(): Promise<void> {
    this.#files.prepare();
    for (const address of this.#addresses) {
      const isShared = !CAN_REUSE_PORT || isSocketPath(address.host);
      const handles = [...(this.#inherited.get(placeOf(address)) ?? [])] as Handle[];
      while (handles.length < (isShared ? 1 : this.#seats)) handles.push(await bind(address));
      // Of a torc with more workers some seats have two: what waits in each is served.
      for (const [index, handle] of handles.entries())
        this.#sockets.push({
          ...{ id: this.#sockets.length, address, handle },
          seat: isShared ? null : index % this.#seats,
        });
    }
    const places = this.#addresses.map(placeOf);
    for (const [place, handles] of this.#inherited)
      if (!places.includes(place)) for (const handle of handles) (handle as Handle).close();
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
  const code = typeof made === 'number' ? made : isPath ? 0 : made.getsockname({});
  if (code !== 0) throw Object.assign(new Error('cannot bind'), { code: getSystemErrorName(code) });
  return made as Handle;
}
