// Whom to believe when a replica shows its certificate: the authorities of a file, or the system's; and what to do about one
// that is not believed, in plain words. A file is looked at again after a while, because authorities are renewed while torc
// runs; one that cannot be read any more changes nothing. Node's own list stands in only where the system has none (slim
// images), because who installs an authority on a machine means all of its programs (RFC 9110 section 4.3.4).

import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

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

/** `ca`: a file, which is read now or was lately; null: the system's. */
export function trustIn(ca: string | null, nowMs: number): SecureContext {
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

const words: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired: renew it there',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: compare the clocks of both machines',
  CERT_REVOKED: 'its certificate is revoked: renew it there',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed: give that certificate as ;ca=FILE',
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate is from an unknown authority, or it leaves an intermediate out: add that there, or give ;ca=FILE',
  INVALID_PURPOSE: 'its certificate is none for servers: give it another there',
  EPROTO: 'it does not speak TLS on this port: give the port that does, or http:// instead of https://',
  ERR_SSL_WRONG_VERSION_NUMBER:
    'it does not speak TLS on this port: give the port that does, or http:// instead of https://',
  ERR_SSL_PACKET_LENGTH_TOO_LONG:
    'it does not speak TLS on this port: give the port that does, or http:// instead of https://',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it speaks no TLS from 1.2 on: renew its program',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it speaks no TLS from 1.2 on: renew its program',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME:
    'it has no certificate for the name it is asked for: give another as ;sni=NAME',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    'it asks for a client certificate, and torc has none for replicas',
  ECONNRESET: 'it closed the connection within the TLS handshake: is this its port for TLS?',
};

/** What the handshake ended with, and what to do about it. */
export function tlsFault({ code = '', message, ...error }: NodeJS.ErrnoException): string {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { reason } = error as { reason?: string };
    return `its certificate is for others: ${reason ?? message} Give one of its names as ;sni=NAME`;
  }
  return words[code] ?? `${code === '' ? '' : `${code}: `}${message}`;
}

/** Not the way there: what was said on it. */
export const isTlsFault = ({ syscall }: NodeJS.ErrnoException): boolean =>
  syscall !== 'connect' && syscall !== 'getaddrinfo';
