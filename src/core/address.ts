// Where torc listens for clients: one entry per listening socket. The settings make the list (config/addresses.ts), the
// primary claims each for itself (cluster/claim.ts), and every worker listens on all of them.

export interface Address {
  /** That begins with "/": the path of a unix socket, and `port` is 0. */
  readonly host: string;
  readonly port: number;
  /** Who may connect to the unix socket, as chmod has it; 0 for the others. */
  readonly mode: number;
  /** That says so, for faults. */
  readonly setting: string;
  /** A connection begins with a TLS handshake. */
  readonly tls: boolean;
  /** Its requests are answered with where they shall go: the same by https, to this port; null: they are served. */
  readonly redirect: number | null;
}
