// Where torc listens for clients: one entry per listening socket. The settings make the list (config/addresses.ts), the
// primary claims each for itself (cluster/claim.ts), and every worker listens on all of them.

export interface Address {
  readonly host: string;
  readonly port: number;
  /** A connection begins with a TLS handshake. */
  readonly tls: boolean;
  /** Its requests are answered with where they shall go: the same by https, to this port; null: they are served. */
  readonly redirect: number | null;
}
