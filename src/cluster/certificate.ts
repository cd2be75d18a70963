// One certificate as an operator gives it, two PEM files, looked at before anybody is served with it: everything that a client
// would stumble over later is a fault now, in one line that names the file and says what to do. Pure: texts and a time in.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { ServerCertificate } from '../core/tls-material.ts';
import { PROFILE } from '../front/tls-profile.ts';

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export interface Checked extends ServerCertificate {
  readonly file: string;
  readonly expiresMs: number;
}

/** What certificates are issued by that clients know themselves. */
export type IsKnown = (last: X509Certificate) => boolean;

class Fault extends Error {}

/** Text: why it cannot serve, and what to do. */
export function checkCertificate(files: CertificateFiles, nowMs: number, isKnown: IsKnown): Checked | string {
  const { certFile, cert, key } = files;
  try {
    const chain = chainOf(files);
    const own = chain[0]!;
    checkKey(files, chain, keyOf(files));
    for (const [index, one] of chain.entries()) checkTime(certFile, index, one, nowMs);
    checkIssuers(certFile, chain, isKnown);
    checkForOpenSsl(files);
    return { file: certFile, cert, key, names: namesOf(own), expiresMs: earliestEnd(chain) };
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

const BLOCK =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

function chainOf({ certFile, cert }: CertificateFiles): X509Certificate[] {
  const blocks = cert.match(BLOCK) ?? [];
  if (blocks.length === 0)
    throw new Fault(
      `${certFile} has no certificate in PEM form (-----BEGIN CERTIFICATE-----): from DER, openssl x509 -inform DER -in ${certFile} -out cert.pem`,
    );
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new Fault(`${certFile}: the ${nth(index)} certificate cannot be read: get the file again`);
    }
  });
}

function keyOf({ keyFile, key }: CertificateFiles): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(key))
    throw new Fault(
      `${keyFile} is encrypted, and nobody is there to type its passphrase: openssl pkey -in ${keyFile} -out key.pem`,
    );
  try {
    return createPrivateKey(key);
  } catch {
    throw new Fault(
      `${keyFile} has no private key in PEM form (-----BEGIN PRIVATE KEY-----): name the key's file`,
    );
  }
}

function checkKey(
  { certFile, keyFile }: CertificateFiles,
  chain: readonly X509Certificate[],
  key: KeyObject,
): void {
  const index = chain.findIndex(one => one.checkPrivateKey(key));
  if (index === 0) return;
  if (index > 0)
    throw new Fault(
      `${certFile}: the certificate that ${keyFile} is for is the ${nth(index)}: put it first, then its issuer, and so on`,
    );
  throw new Fault(
    `${keyFile} is not the key of ${certFile} (${titleOf(chain[0]!)}): name the pair that was issued together`,
  );
}

function checkTime(
  file: string,
  index: number,
  { validFromDate, validToDate }: X509Certificate,
  nowMs: number,
): void {
  const which = index === 0 ? file : `${file}: the ${nth(index)} certificate`;
  if (validToDate.getTime() <= nowMs)
    throw new Fault(`${which} expired on ${day(validToDate)}: renew it, or check this machine's clock`);
  if (validFromDate.getTime() > nowMs)
    throw new Fault(`${which} is valid from ${day(validFromDate)} on only: check this machine's clock`);
}

/** Each is issued by the next, and the last by one that clients have. */
function checkIssuers(file: string, chain: readonly X509Certificate[], isKnown: IsKnown): void {
  for (const [index, one] of chain.entries()) {
    const issuer = chain[index + 1];
    if (issuer !== undefined && !isIssuedBy(one, issuer))
      throw new Fault(
        `${file}: the ${nth(index + 1)} certificate is not the issuer of the ${nth(index)}, which is ${oneLine(one.issuer)}: put the server's first, then its issuer, and so on`,
      );
  }
  const last = chain.at(-1)!;
  if (!isSelfSigned(last) && !isKnown(last))
    throw new Fault(
      `${file} lacks a certificate: ${oneLine(last.issuer)} is neither in it nor an authority known here: append that intermediate; where it is an authority of your own, append it, or name its file in NODE_EXTRA_CA_CERTS`,
    );
}

/** What only the library knows, such as keys that are too short. */
function checkForOpenSsl({ certFile, cert, key }: CertificateFiles): void {
  try {
    createSecureContext({ ...PROFILE, ca: [], cert, key });
  } catch (error) {
    const reason = (error as { reason?: string }).reason ?? (error as Error).message;
    throw new Fault(`${certFile} cannot serve: ${reason}: have another one issued`);
  }
}

export const isIssuedBy = (one: X509Certificate, issuer: X509Certificate): boolean =>
  one.checkIssued(issuer) && one.verify(issuer.publicKey);

/** Also one that may not issue others, which checkIssued would not call its own issuer. */
const isSelfSigned = (one: X509Certificate): boolean =>
  one.issuer === one.subject && one.verify(one.publicKey);

/** Of the subjectAltName, else the common name, which clients do not look at any more. */
function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names = [...(subjectAltName ?? '').matchAll(/DNS:([^,"\s]+)/g)].map(([, name]) => name!);
  const common = /^CN=(.+)$/m.exec(subject ?? '')?.[1];
  return names.length > 0 || common === undefined ? names : [common];
}

const earliestEnd = (chain: readonly X509Certificate[]): number =>
  Math.min(...chain.map(({ validToDate }) => validToDate.getTime()));

const titleOf = ({ subject, subjectAltName }: X509Certificate): string =>
  oneLine(subject || subjectAltName || 'unnamed');
const oneLine = (name: string): string => name.replaceAll('\n', ', ').slice(0, 200);
const day = (date: Date): string => date.toISOString().slice(0, 16).replace('T', ' ');
const nth = (index: number): string => ['first', 'second', 'third'][index] ?? `${index + 1}th`;
