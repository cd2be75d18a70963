// Certificates for a test, made by openssl: an authority, a server's for 127.0.0.1 and a client's, valid for a day.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
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
