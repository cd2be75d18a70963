// The primary's store of what HTTPS is served with: reads the files, has them checked, hands them to the workers, and looks
// every ten seconds whether they say something else. By their content, not by their times: a mounted secret changes by a
// swapped link. What changed is taken whole or not at all; files that are wrong are told once, and what was stays.

import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { createSecureContext, getCACertificates } from 'node:tls';
import type { Config } from '../config/fields.ts';
import type { Clock } from '../core/clock.ts';
import { StartError } from '../core/errors.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { CertificateExpiry, ServerCertificate, TlsMaterial } from '../core/tls-material.ts';
import { PROFILE } from '../front/tls-profile.ts';
import { type Checked, checkCertificate, isIssuedBy } from './certificate.ts';
import { makeSelfSigned } from './self-signed.ts';

const LOOK_EVERY_MS = 10_000;
const DAY_MS = 24 * 3_600_000;
const WARN_MS = 14 * DAY_MS;
const MAX_BYTES = 1024 * 1024;

type TlsConfig = Pick<Config, 'host' | 'tls' | 'tlsCert' | 'tlsKey' | 'tlsClientCa'>;

export interface CertificateStoreOptions {
  readonly config: TlsConfig;
  readonly clock: Clock;
  readonly log: Log;
  /** There is something else to serve with. */
  readonly changed: (material: TlsMaterial) => void;
  /** What the torc before this one has made for itself; null: nothing. */
  readonly selfSigned: ServerCertificate | null;
}

export class CertificateStore {
  readonly #options: CertificateStoreOptions;
  #material: TlsMaterial = { certificates: [], clientCa: null };
  #expiries: readonly CertificateExpiry[] = [];
  /** Of what the files said when they were looked at last, whether it was taken or not. */
  #seen = '';
  #warnedMs = Number.NEGATIVE_INFINITY;
  #timer: { cancel(): void } | null = null;
  /** Null where certificates are files. */
  selfSigned: ServerCertificate | null = null;

  constructor(options: CertificateStoreOptions) {
    this.#options = options;
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  get expiries(): readonly CertificateExpiry[] {
    return this.#expiries;
  }

  /** Before anybody is served; rejects with StartError where the files cannot serve. */
  async open(): Promise<void> {
    const { config, clock, log } = this.#options;
    if (config.tls === 'self-signed') {
      const names = namesFor(config.host);
      const before = this.#options.selfSigned;
      const isKept = before !== null && isFor(before, names) && lastsOn(before, clock.wallMs());
      const made = isKept ? before : await makeSelfSigned(names, clock.wallMs());
      this.selfSigned = made;
      const { fingerprint256, validToDate } = new X509Certificate(made.cert);
      this.#take([{ ...made, file: 'self-signed', expiresMs: validToDate.getTime() }], null);
      log.warn(
        { fingerprint: fingerprint256 },
        `HTTPS has a self-signed certificate, ${isKept ? 'that of the torc before this one' : 'made at this start'}, for trying; its SHA-256 is ${fingerprint256}`,
      );
    }
    const faults = this.reload();
    if (faults.length > 0) throw new StartError(faults.join('\ntorc: '));
    this.#warn();
    this.#lookLater();
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** Reads the files again. All their faults, and then nothing has changed; else what they say is what is served. */
  reload(): readonly string[] {
    const { faults, digest, apply } = this.prepare();
    if (faults.length === 0) apply();
    else this.#seen = digest;
    return faults;
  }

  /** Its first half, for a reload of all settings (config/reload.ts): nothing changes until `apply`. */
  prepare(): { faults: readonly string[]; digest: string; changed: readonly string[]; apply(): void } {
    const { config, clock, changed, log } = this.#options;
    const { faults, texts, digest } = this.#read();
    const isNew = digest !== this.#seen;
    const nothing = { digest, changed: [], apply: () => {} };
    if (faults.length > 0) return { ...nothing, faults };
    const checked: Checked[] = [];
    for (const [index, certFile] of config.tlsCert.entries()) {
      const keyFile = config.tlsKey[index]!;
      const files = { certFile, keyFile, cert: texts.get(certFile)!, key: texts.get(keyFile)! };
      const one = checkCertificate(files, clock.wallMs(), isKnownHere);
      if (typeof one === 'string') faults.push(one);
      else checked.push(one);
    }
    const { tlsClientCa } = config;
    const clientCa = tlsClientCa === null ? null : texts.get(tlsClientCa)!;
    if (clientCa !== null && !isAuthority(clientCa))
      faults.push(`${tlsClientCa} has no certificate in PEM form: name a file of authorities`);
    if (faults.length > 0 || !isNew) return { ...nothing, faults };
    const apply = (): void => {
      this.#seen = digest;
      this.#take(config.tls === 'self-signed' ? null : checked, clientCa);
      // At the start nobody is served yet.
      if (this.#timer !== null) changed(this.#material);
      for (const { file, names, expiresMs } of checked)
        log.info({ file, names, expires: new Date(expiresMs) }, `HTTPS has the certificate of ${file}`);
    };
    return { faults, digest, changed: checked.map(({ file }) => `${file} was read again`), apply };
  }

  /** `certificates`: null for those that are there. */
  #take(certificates: readonly Checked[] | null, clientCa: string | null): void {
    if (certificates !== null)
      this.#expiries = certificates.map(({ file, names, expiresMs }) => ({
        file,
        name: names[0] ?? '',
        expiresMs,
      }));
    const bare = certificates?.map(({ cert, key, names }) => ({ cert, key, names }));
    this.#material = { certificates: bare ?? this.#material.certificates, clientCa };
    this.#warnedMs = Number.NEGATIVE_INFINITY;
  }

  #lookLater(): void {
    this.#timer = this.#options.clock.after(LOOK_EVERY_MS, () => {
      this.#look();
      this.#warn();
      this.#lookLater();
    });
  }

  #look(): void {
    if (this.#read().digest === this.#seen) return;
    for (const fault of this.reload())
      this.#options.log.error({}, `HTTPS goes on with the certificates that it has: ${fault}`);
  }

  #read(): { faults: string[]; texts: ReadonlyMap<string, string>; digest: string } {
    const { tlsCert, tlsKey, tlsClientCa } = this.#options.config;
    const faults: string[] = [];
    const texts = new Map<string, string>();
    for (const file of [...tlsCert, ...tlsKey, ...(tlsClientCa === null ? [] : [tlsClientCa])]) {
      const text = textOf(file);
      if (text.startsWith(UNREADABLE)) faults.push(text.slice(UNREADABLE.length));
      else texts.set(file, text);
    }
    const digest = createHash('sha256')
      .update(JSON.stringify([faults, ...texts]))
      .digest('hex');
    return { faults, texts, digest };
  }

  /** Once a day. */
  #warn(): void {
    const { clock, log } = this.#options;
    const nowMs = clock.wallMs();
    if (nowMs - this.#warnedMs < DAY_MS) return;
    for (const { file, expiresMs } of this.#expiries) {
      const ends = endOf(file, expiresMs, nowMs);
      if (ends === null) continue;
      this.#warnedMs = nowMs;
      log[ends.level]({ file, expires: new Date(expiresMs) }, ends.text);
    }
  }
}

/** What to say of a certificate's end; null while it is far. */
function endOf(file: string, expiresMs: number, nowMs: number): Note | null {
  const leftMs = expiresMs - nowMs;
  if (leftMs > WARN_MS) return null;
  const when = `${new Date(expiresMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  if (leftMs <= 0) return { level: 'error', text: `${file} expired on ${when}: clients refuse it; renew it` };
  return {
    level: 'warn',
    text: `${file} expires in ${Math.floor(leftMs / DAY_MS)} days, on ${when}: renew it`,
  };
}

interface Note {
  readonly level: 'warn' | 'error';
  readonly text: string;
}

/** For who only asks whether a start would be refused. */
export function lookAtCertificates(
  config: Config,
  clock: Clock,
): { faults: readonly string[]; notes: Note[] } {
  if (config.httpsPort === null) return { faults: [], notes: [] };
  const store = new CertificateStore({ config, clock, log: silentLog, changed: () => {}, selfSigned: null });
  const faults = store.reload();
  const ends = store.expiries.map(({ file, expiresMs }) => endOf(file, expiresMs, clock.wallMs()));
  return { faults, notes: ends.filter(note => note !== null) };
}

/** NUL is in no text of PEM. */
const UNREADABLE = '\0';

function textOf(file: string): string {
  try {
    const stats = statSync(file);
    // A pipe would be waited for.
    if (!stats.isFile()) return `${UNREADABLE}${file} is no file: name a PEM file`;
    if (stats.size > MAX_BYTES) return `${UNREADABLE}${file} is longer than 1 MiB: name a PEM file`;
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const advice = code === 'EACCES' ? 'torc needs the right to read it' : 'name a file that is there';
    return `${UNREADABLE}${file} cannot be read (${code}): ${advice}`;
  }
}

function isAuthority(text: string): boolean {
  try {
    // What the workers will do with it: they must not be the first to find out.
    createSecureContext({ ...PROFILE, ca: text });
    return new X509Certificate(text) !== null;
  } catch {
    return false;
  }
}

let known: readonly X509Certificate[] | null = null;

/** Issued by an authority of the system, of Node's own list, or of NODE_EXTRA_CA_CERTS. */
function isKnownHere(last: X509Certificate): boolean {
  known ??= ['system', 'bundled', 'extra'].flatMap(type =>
    getCACertificates(type as 'system').map(pem => new X509Certificate(pem)),
  );
  return known.some(({ subject }, index) => subject === last.issuer && isIssuedBy(last, known![index]!));
}

function isFor({ cert }: ServerCertificate, names: readonly string[]): boolean {
  const read = new X509Certificate(cert);
  return names.every(name => (isIP(name) === 0 ? read.checkHost(name) : read.checkIP(name)) !== undefined);
}

const lastsOn = ({ cert }: ServerCertificate, nowMs: number): boolean =>
  new X509Certificate(cert).validToDate.getTime() - nowMs > WARN_MS;

/** Where somebody may look for it who tries. */
const namesFor = (host: string): string[] => [
  ...new Set([
    'localhost',
    '127.0.0.1',
    '::1',
    hostname(),
    ...(/^(?:0\.0\.0\.0|::)?$/.test(host) ? [] : [host]),
  ]),
];
