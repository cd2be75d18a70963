// What workers serve HTTPS with. The primary reads and checks the files (cluster/certificates.ts) and sends this over the
// channel: an environment or an argument could be read in /proc.

export interface ServerCertificate {
  /** PEM: its own, then its intermediates. */
  readonly cert: string;
  readonly key: string;
  /** Names that a client may ask for it by. */
  readonly names: readonly string[];
}

export interface TlsMaterial {
  /** The first is for clients that ask for none of the names. */
  readonly certificates: readonly ServerCertificate[];
  /** PEM of the authorities of clients; null: clients are not asked. */
  readonly clientCa: string | null;
}

/** How a certificate is told to whoever watches over it. */
export interface CertificateExpiry {
  readonly file: string;
  /** The first of its names. */
  readonly name: string;
  /** Of it or of one of its intermediates, whichever is first. */
  readonly expiresMs: number;
}
