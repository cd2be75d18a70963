// Whom to believe when a replica shows its certificate: the authorities of a file, or the system's; and what to do about one
// that is not believed, in plain words. A file is looked at again after a while, because authorities are renewed while torc
// runs; one that cannot be read any more changes nothing. Node's own list stands in only where the system has none (slim
// images), because who installs an authority on a machine means all of its programs (RFC 9110 section 4.3.4).

import { readFileSync } from 'node:fs';
import { type ConnectionOptions, createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { ReplicaTls } from './types.ts';

const LOOK_MS = 10_000;
const CERTIFICATE = '-----BEGIN CERTIFICATE-----';

/** What is wrong with a file of authorities; null: nothing. */
export function authoritiesFault(path: string): string | null {
  try {
    contextOf(readFileSync(path, 'utf8'));
    return null;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'there is no such file' : message;
  }
}

function contextOf(pem: string): SecureContext {
  if (!pem.includes(CERTIFICATE)) throw new Error('it has no certificate in PEM');
  return createSecureContext({ ca: pem, minVersion: 'TLSv1.2' });
}

class Authorities {
  readonly #path: string;
  #pem = '';
  #context: SecureContext | null = null;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(path: string) {
    this.#path = path;
  }

  context(nowMs: number): SecureContext {
    if (nowMs - this.#lookedMs < LOOK_MS) return this.#context!;
    try {
      const pem = readFileSync(this.#path, 'utf8');
      if (pem !== this.#pem) this.#context = contextOf(pem);
      this.#pem = pem;
    } catch {
      // Who started torc was told (drivers/static): until it is there again nobody is believed.
      this.#context ??= createSecureContext({ ca: [] });
    }
    this.#lookedMs = nowMs;
    return this.#context!;
  }
}

/** One of each file, so that a hundred replicas of one authority share it. */
const files = new Map<string, Authorities>();
let system: SecureContext | null = null;

/** For `tls.connect`; the file of authorities is read now, or was lately. */
export const verifying = ({ serverName, ca }: ReplicaTls, nowMs: number): ConnectionOptions => ({
  secureContext: trustIn(ca, nowMs),
  // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
  rejectUnauthorized: true,
  servername: serverName,
});

function trustIn(ca: string | null, nowMs: number): SecureContext {
  if (ca === null) {
    system ??= createSecureContext({ ca: systemAuthorities(), minVersion: 'TLSv1.2' });
    return system;
  }
  const known = files.get(ca) ?? new Authorities(ca);
  files.set(ca, known);
  return known.context(nowMs);
}

function systemAuthorities(): string[] {
  const own = new Set(getCACertificates('system'));
  return own.size > 0 ? [...own, ...getCACertificates('extra')] : getCACertificates('default');
}

const UNKNOWN = 'its certificate is from an unknown authority: give the file of that authority as ;ca=FILE';

/** By code, or by OpenSSL's words, which node:tls puts behind EPROTO or makes codes of. */
const words: readonly (readonly [RegExp, string])[] = [
  [
    /no_application_protocol/,
    'it does not speak this behind TLS (ALPN): TORC_REPLICA_PROTOCOL=http1, or h2c for HTTP/2',
  ],
  [/cert_has_expired/, 'its certificate has expired: renew it there'],
  [/cert_not_yet_valid/, 'its certificate is not valid yet: compare the clocks of both machines'],
  [/depth_zero_self_signed/, 'its certificate is self-signed: give that certificate as ;ca=FILE'],
  [/self_signed_cert_in_chain|unable_to_get_issuer/, UNKNOWN],
  [
    /unable_to_verify_leaf/,
    'its certificate is from an unknown authority, or it leaves an intermediate out: add that there, or give ;ca=FILE',
  ],
  [/invalid_purpose/, 'its certificate is none for servers: give it another there'],
  [
    /wrong_version_number|packet_length_too_long|http_request/,
    'it does not speak TLS on this port: give the port that does, or http:// instead of https://',
  ],
  [/protocol_version|unsupported_protocol/, 'it speaks no TLS from 1.2 on: renew its program'],
  [/unrecognized_name/, 'it has no certificate for the name it is asked for: give another as ;sni=NAME'],
  [
    /certificate_required|handshake_failure/,
    'it refuses the handshake: does it ask for a client certificate? torc has none',
  ],
  [/econnreset/, 'it closed the connection within the TLS handshake: is this its port for TLS?'],
];

/** What the handshake ended with, and what to do about it. */
export function tlsFault(error: NodeJS.ErrnoException & { readonly reason?: string }): string {
  const { code = '', message, reason = message } = error;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `its certificate is for others (${reason.replace(/[\s.:]+$/, '')}): give one of its names as ;sni=NAME`;
  const text = `${code} ${message}`.toLowerCase().replaceAll(' ', '_');
  return words.find(([pattern]) => pattern.test(text))?.[1] ?? `${code === '' ? '' : `${code}: `}${message}`;
}

/** Not the way there: what was said on it. */
export const isTlsFault = ({ syscall }: NodeJS.ErrnoException): boolean =>
  syscall !== 'connect' && syscall !== 'getaddrinfo';
