// TORC_TLS=self-signed: a certificate for trying HTTPS before there is one that clients trust. Made anew at each start and
// kept in memory only, so nobody gets used to it. It is an authority of nothing: whoever trusts it trusts this server alone.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { ServerCertificate } from '../core/tls-material.ts';

const LIFE_MS = 90 * 24 * 3_600_000;
/** A clock that is a little behind shall take it too. */
const BEFORE_MS = 3_600_000;

/** `names`: host names and addresses. */
export async function makeSelfSigned(names: readonly string[], nowMs: number): Promise<ServerCertificate> {
  // Here, because only who tries needs its 5 MB.
  const { default: forge } = await import('node-forge');
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(pair.publicKey);
  // Positive, and no two alike: browsers refuse another certificate of the same issuer and number.
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  certificate.validity.notBefore = new Date(nowMs - BEFORE_MS);
  certificate.validity.notAfter = new Date(nowMs + LIFE_MS);
  const subject = [{ shortName: 'CN', value: 'torc self-signed' }];
  certificate.setSubject(subject);
  certificate.setIssuer(subject);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true },
    {
      name: 'subjectAltName',
      altNames: names.map(name => (isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name })),
    },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(pair.privateKey), forge.md.sha256.create());
  return {
    cert: forge.pki.certificateToPem(certificate),
    key: pair.privateKey,
    names: names.filter(name => isIP(name) === 0),
  };
}
