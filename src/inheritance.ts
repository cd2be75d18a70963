// Which listening sockets this torc goes on with that it did not make: those of the torc before it, or of workers that have
// outlived one, and those that a service manager keeps for both (cluster/kept-sockets.ts). Beside primary.ts, because only a
// start asks.

import { byPlace, type KeptSocket } from './cluster/kept-sockets.ts';
import { type Handle, type Inherited, placeOf } from './cluster/sockets.ts';
import type { AdminAddress } from './config/admin-address.ts';
import type { Address } from './core/address.ts';
import { StartError } from './core/errors.ts';

export interface Inheritance {
  /** Of the public listeners, by place. */
  readonly sockets: ReadonlyMap<string, readonly Inherited[]>;
  readonly admin: (Inherited & { readonly place: string }) | null;
}

/** Rejects with StartError where a kept socket fits no address of the settings. */
export async function inherit(
  addresses: readonly Address[],
  adminAddress: AdminAddress | null,
  before: {
    readonly sockets: ReadonlyMap<string, readonly Inherited[]>;
    readonly adminSocket: Inheritance['admin'];
  },
  kept: readonly KeptSocket[],
): Promise<Inheritance> {
  const admin =
    adminAddress !== null && 'path' in adminAddress ? { host: adminAddress.path, port: 0 } : adminAddress;
  const found = new Map(await byPlace(kept, [...addresses, ...(admin === null ? [] : [admin])]));
  const place = admin === null ? '' : placeOf(admin);
  const [own, second] = found.get(place) ?? [];
  if (second !== undefined)
    throw new StartError(
      `${second.keeper.name} is a second socket for the control endpoints, which have one process: take it out of the socket unit`,
      { exitCode: 2 },
    );
  found.delete(place);
  // What workers had of a service manager is the same.
  for (const at of found.keys())
    for (const { handle } of before.sockets.get(at) ?? []) (handle as Handle).close();
  return {
    sockets: new Map<string, readonly Inherited[]>([...before.sockets, ...found]),
    admin: own === undefined ? before.adminSocket : { ...own, place },
  };
}
