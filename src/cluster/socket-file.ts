// The files of the public unix sockets (TORC_LISTEN=unix:PATH). Unix sockets have no SO_REUSEPORT, so the workers share one
// (sockets.ts). It is made in a directory (PATH.d) that only torc's user can enter and moved to its place with its mode when a
// worker listens on it: whoever finds it may use it, finds somebody there, and a file that a crash left behind is replaced in
// one step.

import { chmodSync, lstatSync, mkdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Address } from '../core/address.ts';
import { StartError } from '../core/errors.ts';
import { isSocketPath } from '../core/host-port.ts';

/** Found again after a crash: the claim (claim.ts) has no two torcs at one path. */
const directoryOf = (path: string): string => `${path}.d`;
/** Where it is made. */
export const birthplaceOf = (path: string): string => join(directoryOf(path), 's');

interface Placed extends Address {
  /** Of the file that was put in its place last; 0 before. */
  inode: number;
}

export class SocketFiles {
  readonly #sockets: readonly Placed[];

  /** `isThere`: a torc before this one has made it and put it in its place. */
  constructor(addresses: readonly Address[], isThere: (path: string) => boolean) {
    this.#sockets = addresses
      .filter(({ host }) => isSocketPath(host))
      .map(address => ({ ...address, inode: isThere(address.host) ? inodeOf(address.host) : 0 }));
  }

  /** Before they are made. */
  prepare(): void {
    for (const { host, inode } of this.#sockets) {
      if (inode !== 0) continue;
      const directory = directoryOf(host);
      try {
        mkdirSync(directory, { mode: 0o700, recursive: true });
        chmodSync(directory, 0o700);
        rmSync(birthplaceOf(host), { force: true });
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        throw new StartError(
          `cannot listen on unix:${host} (${code}): set TORC_LISTEN to a path in a directory of this user`,
        );
      }
    }
  }

  /** A worker listens: a socket that is new goes to its place. */
  place(): void {
    for (const socket of this.#sockets) {
      const made = birthplaceOf(socket.host);
      const found = lstatSync(made, { throwIfNoEntry: false });
      if (found === undefined) continue;
      chmodSync(made, socket.mode);
      renameSync(made, socket.host);
      socket.inode = found.ino;
    }
  }

  /** Nobody new comes in; one that somebody else has put there meanwhile stays. */
  remove(): void {
    for (const { host, inode } of this.#sockets) {
      if (inodeOf(host) === inode) rmSync(host, { force: true });
      rmSync(birthplaceOf(host), { force: true });
      try {
        rmdirSync(directoryOf(host));
      } catch {
        // Somebody has put something into it.
      }
    }
  }
}

/** 0 where nothing is. */
const inodeOf = (path: string): number => lstatSync(path, { throwIfNoEntry: false })?.ino ?? 0;

/** StartError where somebody listens on the socket, or where it is none; one that nobody listens on is there to be replaced. */
export async function checkSocket(path: string, setting: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new StartError(`${path} is no socket: remove it, or set ${setting} to another path`);
  const isTaken = await new Promise<boolean>(resolve => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
  });
  if (isTaken) throw new StartError(`${path} is taken by another program: set ${setting} to another path`);
}
