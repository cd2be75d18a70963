// An address as people and URLs write it: an IPv6 address has brackets before a port (RFC 3986 section 3.2.2). Hosts are kept
// without them everywhere else, because sockets want them so.

export const hostPort = (host: string, port: number): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
