// What is wrong with a certificate is said before anybody is served with it: one line, the file, and what to do.

import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Checked, checkCertificate } from '../../src/cluster/certificate.ts';
import { makeSelfSigned } from '../../src/cluster/self-signed.ts';
import { Authority, type Issued } from '../support/certificates.ts';

const certificate = suite('certificate');
const directory = mkdtempSync(join(tmpdir(), 'certificate-'));
const authority = new Authority(directory);
const intermediate = authority.issue([], 1, {
  subject: '/CN=an intermediate',
  extensions: ['basicConstraints=critical,CA:TRUE'],
});
const leaf = authority.issue(['DNS:a.test', 'DNS:*.b.test', 'IP:127.0.0.1'], 1, { by: intermediate });
const stranger = authority.issue(['DNS:c.test']);
certificate.after(() => rmSync(directory, { recursive: true, force: true }));

const known = (name: string) => (last: { issuer: string }) => last.issuer === `CN=${name}`;
const check = (
  cert: string,
  key: string,
  nowMs = Date.now(),
  isKnown: (last: { issuer: string }) => boolean = () => false,
): Checked | string => checkCertificate({ certFile: 'c.pem', keyFile: 'k.pem', cert, key }, nowMs, isKnown);

certificate('a chain that ends in its root, or in one that is known, serves by the names in it', () => {
  for (const one of [
    check(leaf.cert + intermediate.cert + authority.cert, leaf.key),
    check(leaf.cert + intermediate.cert, leaf.key, Date.now(), known('an authority')),
    // Text between the blocks is what many tools write.
    check(
      `subject=a\n${leaf.cert}\r\n\r\nissuer=b\n${intermediate.cert}`,
      leaf.key,
      Date.now(),
      known('an authority'),
    ),
  ]) {
    if (typeof one === 'string') throw new Error(one);
    assert.equal(one.names, ['a.test', '*.b.test']);
    assert.ok(Math.abs(one.expiresMs - Date.now() - 86_400_000) < 3_600_000);
  }
});

certificate('the common name counts where there is no other', () => {
  const { cert, key } = authority.issue([], 1, { subject: '/O=x/CN=only.test' });
  assert.equal((check(cert + authority.cert, key) as Checked).names, ['only.test']);
});

const HOUR_MS = 3_600_000;
const encrypted = (): string =>
  generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
  }).privateKey;
const traditional = (): string =>
  execFileSync('openssl', ['ec', '-aes256', '-passout', 'pass:x'], {
    input: leaf.key,
    stdio: 'pipe',
  }).toString();
const short = (): Issued => authority.issue(['DNS:a.test'], 1, { key: ['-newkey', 'rsa:1024', '-nodes'] });
const whole = leaf.cert + intermediate.cert + authority.cert;

for (const [what, fault, wrong] of [
  [
    'no PEM',
    /^c\.pem has no certificate in PEM form.*openssl x509 -inform DER/,
    () => check('\0\x30', leaf.key),
  ],
  ['an empty file', /^c\.pem has no certificate/, () => check('', leaf.key)],
  [
    'a broken block',
    /^c\.pem: the second certificate cannot be read/,
    () => check(leaf.cert + intermediate.cert.replace(/\n[A-Za-z0-9+/]{20}/, '\n'), leaf.key),
  ],
  ["another's key", /^k\.pem is not the key of c\.pem \(CN=server/, () => check(whole, stranger.key)],
  ['no key', /^k\.pem has no private key in PEM form/, () => check(whole, leaf.cert)],
  ['an encrypted key', /^k\.pem is encrypted.*openssl pkey -in k\.pem/, () => check(whole, encrypted())],
  ['an encrypted key, as it was written of old', /^k\.pem is encrypted/, () => check(whole, traditional())],
  [
    'an end that has passed',
    /^c\.pem expired on 20.*renew it/,
    () => check(whole, leaf.key, Date.now() + 25 * HOUR_MS),
  ],
  [
    'a beginning to come',
    /^c\.pem is valid from 20.* check this machine's clock/,
    () => check(whole, leaf.key, Date.now() - 2 * HOUR_MS),
  ],
  [
    'no intermediate',
    /^c\.pem lacks a certificate: CN=an intermediate is neither in it nor an authority known here: append/,
    () => check(leaf.cert, leaf.key, Date.now(), known('an authority')),
  ],
  [
    'the root alone behind it',
    /^c\.pem: the second certificate is not the issuer of the first, which is CN=an intermediate/,
    () => check(leaf.cert + authority.cert, leaf.key),
  ],
  [
    'the wrong order',
    /^c\.pem: the certificate that k\.pem is for is the second: put it first/,
    () => check(intermediate.cert + leaf.cert, leaf.key),
  ],
  [
    'a key that is too short',
    /^c\.pem cannot serve: ee key too small: have another one issued/,
    () => {
      const { cert, key } = short();
      return check(cert + authority.cert, key);
    },
  ],
] as const) {
  certificate(`${what}: one line that says what to do`, () => {
    const said = wrong();
    if (typeof said !== 'string') throw new Error('taken');
    assert.match(said, fault);
    assert.not.match(said, '\n');
  });
}

certificate('whatever the files say, it is a certificate or a line', () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    return seed % below;
  };
  const mutate = (text: string): string => {
    const at = random(text.length);
    const cut = random(60);
    const more = String.fromCharCode(random(256)).repeat(random(4));
    return text.slice(0, at) + more + text.slice(at + cut);
  };
  for (let round = 0; round < 2000; round++) {
    const said = check(
      random(2) === 0 ? mutate(whole) : whole,
      random(2) === 0 ? mutate(leaf.key) : leaf.key,
    );
    if (typeof said === 'string') assert.not.match(said, '\n');
    else assert.equal(said.names, ['a.test', '*.b.test']);
  }
});

certificate('one that torc signs itself has the names that somebody tries', async () => {
  const made = await makeSelfSigned(['localhost', '127.0.0.1', '::1', 'box'], Date.now());
  const one = check(made.cert, made.key) as Checked;
  assert.equal(one.names, ['localhost', 'box']);
  const text = execFileSync('openssl', ['x509', '-noout', '-text'], { input: made.cert }).toString();
  assert.match(text, /DNS:localhost, IP Address:127\.0\.0\.1, IP Address:0:0:0:0:0:0:0:1, DNS:box/);
  assert.match(text, /CA:FALSE/);
});

certificate.run();
