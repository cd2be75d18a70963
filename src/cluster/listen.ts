// The public address before anybody serves on it: one plain listen, without the sharing (SO_REUSEPORT) that workers use,
// finds any program that listens there now. One that is about to is claim.ts's business.

import { createServer } from 'node:net';
import type { Address } from '../core/address.ts';
import { StartError } from '../core/errors.ts';
import { hostPort, isSocketPath } from '../core/host-port.ts';
import { checkSocket } from './socket-file.ts';

type Where = Pick<Address, 'host' | 'port' | 'setting'>;

/** Rejects with StartError when `host:port` cannot be had; leaves it free again. */
export function checkAddress({ host, port, setting }: Where): Promise<void> {
  if (isSocketPath(host)) return checkSocket(host, setting);
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', error => reject(new StartError(publicFault({ host, port, setting }, error))));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

/** Of a public listener. */
export const publicFault = ({ host, port, setting }: Where, error: unknown): string =>
  listenFault(host, port, error, setting, setting === 'TORC_LISTEN' ? setting : 'HOST');

/** Why listening failed, in one line that says what to do; the settings are those of the listener. */
export function listenFault(
  host: string,
  port: number,
  error: unknown,
  portSetting: string,
  hostSetting: string,
): string {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (isSocketPath(host))
    return `cannot listen on unix:${host} (${code}): set ${hostSetting} to a path in a directory of this user`;
  if (code === 'EADDRINUSE')
    return `${hostPort(host, port)} is taken by another program: end it, or set ${portSetting} to a free port`;
  if (code === 'EACCES')
    return `${hostPort(host, port)} may not be used: ports below 1024 need privileges; set ${portSetting}`;
  if (code === 'EADDRNOTAVAIL')
    return `${host} is no address of this machine: set ${hostSetting} to one that is`;
  if (code === 'ENOTFOUND')
    return `${host} does not resolve to an address: set ${hostSetting} to one of this machine's`;
  return `cannot listen on ${hostPort(host, port)}: ${code}`;
}
