// Where the control endpoints have a listener of their own: one reading of TORC_ADMIN_LISTEN and TORC_ADMIN_PORT, for the
// listener, for the banner and for the commands that look for a running torc. Pure.

import type { Config } from './fields.ts';

/** An address and port, or the path of a unix socket. */
export type AdminAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** The one that the settings ask for; null where they ask for none. */
export function adminAddressOf({
  adminListen,
  adminPort,
}: Pick<Config, 'adminListen' | 'adminPort'>): AdminAddress | null {
  if (adminListen?.startsWith('unix:')) return { path: adminListen.slice('unix:'.length) };
  return adminPort === null ? null : { host: adminListen ?? '127.0.0.1', port: adminPort };
}
