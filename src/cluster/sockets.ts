// The public listening sockets. The primary makes them, keeps them to its end and hands each to the worker that accepts from
// it, so that a worker's death takes only what it had accepted: what the kernel has queued meanwhile waits for whoever gets
// the socket next. Where the kernel can share a port (SO_REUSEPORT), each seat (a worker and its successors) has a socket of
// its own and connections are dealt out evenly; a unix socket is one for all. The primary only binds: node:net has no public
// name for that on every Node that torc runs on, so this is the one place that asks for what node:cluster itself is made of.
// (docs/decisions/0025-sockets-outlive-workers.md)

import type { SendHandle } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import net, { isIPv6 } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { Address } from '../core/address.ts';
import { StartError } from '../core/errors.ts';
import { isSocketPath } from '../core/host-port.ts';
import { publicFault } from './listen.ts';
import { birthplaceOf, SocketFiles } from './socket-file.ts';

/** Elsewhere the port could be shared, but the kernel would not deal the connections out. */
const CAN_REUSE_PORT = process.platform === 'linux';
/** libuv's UV_TCP_REUSEPORT. */
const REUSE_PORT = 2;

type Handle = SendHandle & { close(): void; getsockname(out: object): number };

const bindTo = (
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
  readonly #files: SocketFiles;
  #sockets: (ListeningSocket & { readonly handle: Handle })[] = [];

  constructor(addresses: readonly Address[], seats: number) {
    this.#addresses = addresses;
    this.#seats = seats;
    this.#files = new SocketFiles(addresses);
  }

  get all(): readonly ListeningSocket[] {
    return this.#sockets;
  }

  /** Rejects with StartError where an address cannot be had. Nobody can connect before a worker listens. */
  async open(): Promise<void> {
    this.#files.prepare();
    for (const address of this.#addresses) {
      const isShared = !CAN_REUSE_PORT || isSocketPath(address.host);
      for (let seat = 0; seat < (isShared ? 1 : this.#seats); seat++)
        this.#sockets.push({
          id: this.#sockets.length,
          address,
          seat: isShared ? null : seat,
          handle: await bind(address),
        });
    }
  }

  /** A worker listens: the files of unix sockets are put where clients look for them. */
  onListening(): void {
    this.#files.place();
  }

  /** Workers that still have them are the last: when they close them too, nobody new comes in. */
  close(): void {
    for (const { handle } of this.#sockets) handle.close();
    this.#sockets = [];
    this.#files.remove();
  }
}

async function bind(address: Address): Promise<Handle> {
  const { host, port } = address;
  const handle = await handleOf(host, port).catch(error => {
    throw new StartError(publicFault(address, error));
  });
  // libuv tells a port that is taken only to the next question.
  const code = typeof handle === 'number' ? handle : isSocketPath(host) ? 0 : handle.getsockname({});
  if (code !== 0) throw new StartError(publicFault(address, { code: getSystemErrorName(code) }));
  return handle as Handle;
}

async function handleOf(host: string, port: number): Promise<Handle | number> {
  if (isSocketPath(host)) return bindTo(birthplaceOf(host), -1, -1);
  const { address } = await lookup(host);
  return bindTo(address, port, isIPv6(address) ? 6 : 4, undefined, CAN_REUSE_PORT ? REUSE_PORT : 0);
}
