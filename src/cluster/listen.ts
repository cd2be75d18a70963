// The public address before anybody serves on it: one plain listen, without the sharing (SO_REUSEPORT) that workers use,
// finds any program that listens there now. One that is about to is claim.ts's business.

import { createServer } from 'node:net';
import { StartError } from '../core/errors.ts';

/** Rejects with StartError when `host:port` cannot be had; leaves it free again. */
export function checkAddress(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', error => reject(new StartError(listenFault(host, port, error))));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

/** Why listening failed, in one line that says what to do; the settings are those of the listener. */
export function listenFault(
  host: string,
  port: number,
  error: unknown,
  portSetting = 'PORT',
  hostSetting = 'HOST',
): string {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (code === 'EADDRINUSE')
    return `${host}:${port} is taken by another program: end it, or set ${portSetting} to a free port`;
  if (code === 'EACCES')
    return `${host}:${port} may not be used: ports below 1024 need privileges; set ${portSetting}`;
  if (code === 'EADDRNOTAVAIL')
    return `${host} is no address of this machine: set ${hostSetting} to one that is`;
  if (code === 'ENOTFOUND')
    return `${host} does not resolve to an address: set ${hostSetting} to one of this machine's`;
  return `cannot listen on ${host}:${port}: ${code}`;
}
