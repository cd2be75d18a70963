// An address as people and URLs write it: an IPv6 address has brackets before a port (RFC 3986 section 3.2.2). Hosts are kept
// without them everywhere else, because sockets want them so. A host that begins with "/" is the path of a unix socket.

import type { ReplicaAddress } from './types.ts';

export const isSocketPath = (host: string): boolean => host.startsWith('/');

export const hostPort = (host: string, port: number): string =>
  isSocketPath(host) ? `unix:${host}` : `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** What people know a replica by: `https://` says that TLS is spoken there. */
export const addressInWords = ({ host, port, tls }: ReplicaAddress): string =>
  `${tls ? 'https://' : ''}${hostPort(host, port)}`;
