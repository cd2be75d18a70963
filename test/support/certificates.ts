// Certificates for a test, made by openssl: an authority, a server's for 127.0.0.1 and a client's, valid for a day.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes ca.pem, cert.pem and key.pem (the client's), server-cert.pem and server-key.pem into `directory`. */
export function makeCertificates(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  };
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '1'];
  openssl('req', '-x509', ...key, '-subj', '/CN=test authority', '-keyout', 'ca-key.pem', '-out', 'ca.pem');
  for (const [name, prefix] of [
    ['127.0.0.1', 'server-'],
    ['client', ''],
  ] as const) {
    const request = ['-subj', `/CN=${name}`, '-keyout', `${prefix}key.pem`, '-out', 'request.pem'];
    openssl('req', ...key.slice(0, 3), ...request);
    writeFileSync(join(directory, 'extensions'), name === 'client' ? '' : `subjectAltName=IP:${name}\n`);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial', '-days', '1'];
    openssl(
      ...['x509', '-req', '-in', 'request.pem', ...signed],
      ...['-extfile', 'extensions', '-out', `${prefix}cert.pem`],
    );
  }
}

export interface Issued {
  readonly name: string;
  readonly key: string;
  readonly cert: string;
}

interface Wanted {
  readonly subject: string;
  /** Lines of openssl's configuration. */
  readonly extensions: readonly string[];
  /** An intermediate that issues it. */
  readonly by: Issued | null;
  /** How its key is made. */
  readonly key: readonly string[];
}

/** An authority for servers, with P-256 keys: what it issues is for `names` (DNS:... or IP:...), `days` from now, or before. */
export class Authority {
  readonly #directory: string;
  readonly path: string;
  #count = 0;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.#directory = directory;
    this.path = join(directory, 'authority.pem');
    this.#openssl(
      'req',
      '-x509',
      ...P256,
      '-days',
      '30',
      '-subj',
      '/CN=an authority',
      '-keyout',
      'ca.key',
      '-out',
      this.path,
    );
  }

  issue(names: readonly string[], days = 1, more: Partial<Wanted> = {}): Issued {
    const name = `${++this.#count}`;
    const { subject = `/CN=server ${name}`, extensions = [], by = null } = more;
    this.#openssl(
      ...[
        'req',
        ...(more.key ?? P256),
        '-utf8',
        '-subj',
        subject,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
      ],
    );
    const lines = names.length === 0 ? extensions : [`subjectAltName=${names.join()}`, ...extensions];
    writeFileSync(join(this.#directory, `${name}.ext`), lines.map(line => `${line}\n`).join(''));
    const [ca, caKey] = by === null ? [this.path, 'ca.key'] : [`${by.name}.pem`, `${by.name}.key`];
    this.#openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', ca, '-CAkey', caKey, '-CAcreateserial'],
      ...['-days', `${days}`, '-extfile', `${name}.ext`, '-out', `${name}.pem`],
    );
    return { name, key: this.#read(`${name}.key`), cert: this.#read(`${name}.pem`) };
  }

  /** Its own certificate. */
  get cert(): string {
    return readFileSync(this.path, 'utf8');
  }

  #read(name: string): string {
    return readFileSync(join(this.#directory, name), 'utf8');
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#directory, stdio: 'pipe' });
  }
}

const P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
