// What TLS costs: CPU time of the balancer per request over HTTPS/1.1 and HTTP/2, keep-alive, and per new connection, full
// and resumed. One worker on core 0, load generator and replicas on core 1, one P-256 key and one cipher for all; replicas
// are plain. Rounds of the targets interleave; the median round counts, beside nginx, HAProxy and Caddy of the same run.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { type CountedLoad, hasH2load } from './harness/h2load.ts';
import {
  type Bench,
  type BenchOptions,
  countdown,
  inTurns,
  rounded,
  SMALL_BYTES,
  type Step,
  sizeText,
  withTargets,
} from './harness/rounds.ts';
import { bareTls, type Pem, secured } from './harness/targets.ts';

const FULL = { rounds: 5, seconds: 2, requests: 10_000, largeRequests: 2_000 };
/** V8 compiles what is hot: the first 20,000 requests of a worker cost up to half more. */
const WARM = 2;
const SHORT = { rounds: 1, seconds: 1, requests: 2_000, largeRequests: 500 };

interface Case extends Step {
  /** Of the answer. */
  readonly bytes: number;
}

const PROTOCOLS = [
  { name: 'HTTPS/1.1', load: { protocol: 'http/1.1', connections: 64, streams: 1 } },
  { name: 'HTTP/2', load: { protocol: 'h2', connections: 16, streams: 4 } },
] as const;

function casesOf(bench: Bench, { seconds, requests, largeRequests }: typeof FULL): Case[] {
  const loaded = (what: string, bytes: number, more: Partial<CountedLoad> = {}): Case[] =>
    PROTOCOLS.map(({ name, load }) => ({
      bytes,
      name: `${what}, ${name}`,
      measure: target => bench.counted(target, { ...load, requests, ...more }),
    }));
  const handshake = (resumed: boolean): Case => ({
    bytes: SMALL_BYTES,
    name: `connect (${resumed ? 'resumed' : 'full'}) + GET`,
    measure: target => bench.handshakes(target, seconds, resumed),
  });
  return [
    ...loaded(`GET ${sizeText(SMALL_BYTES)}`, SMALL_BYTES),
    ...loaded('POST 1 KiB', SMALL_BYTES, { isPost: true }),
    ...loaded('GET 64 KiB', 65_536, { requests: largeRequests }),
    handshake(false),
    handshake(true),
  ];
}

export async function tls(options: BenchOptions): Promise<object[]> {
  if (!hasH2load(options.progress)) return [];
  const folder = mkdtempSync(join(tmpdir(), 'torc-bench-'));
  try {
    return await measured(options, makePem(folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A certificate for 127.0.0.1, which `verify` believes from then on. */
function makePem(folder: string): Pem {
  const pem = { key: join(folder, 'key.pem'), certificate: join(folder, 'certificate.pem') };
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
      ...['-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', pem.key, '-out', pem.certificate],
    ],
    { stdio: 'pipe' },
  );
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(pem.certificate, 'utf8')]);
  return pem;
}

async function measured(options: BenchOptions, pem: Pem): Promise<object[]> {
  const size = options.full ? FULL : SHORT;
  const results = await withTargets(secured(pem), options, async bench => {
    const cases = casesOf(bench, size);
    const tick = countdown(bench.targets.length * (cases.length * size.rounds + 2), options);
    for (const target of bench.targets)
      for (const { name, load } of PROTOCOLS) {
        await bench.counted(target, { ...load, requests: WARM * size.requests });
        tick(`${target.name} is warm, ${name}`);
      }
    const all = [];
    for (const step of cases) {
      await bench.origin.setBodyBytes(step.bytes);
      const some = bench.targets.filter(
        ({ name }) => step.bytes === SMALL_BYTES || name !== bareTls(pem).name,
      );
      all.push(...(await inTurns(some, [step], size.rounds, tick)));
    }
    return all;
  });
  return results.map(({ step, target, merged }) => {
    const beside = (name: string): number | null => {
      const other = results.find(result => result.step === step && result.target.name === name);
      return other === undefined
        ? null
        : Number((merged.cpuUsPerRequest / other.merged.cpuUsPerRequest).toFixed(2));
    };
    return {
      case: step.name,
      target: target.name,
      'us/request': rounded(merged.cpuUsPerRequest),
      'x nginx': beside('nginx'),
      'x haproxy': beside('haproxy'),
      'x caddy': beside('caddy'),
      'requests/s': Math.round(merged.perSecond),
      rounds: merged.cpuUsRounds.map(us => us.toFixed(1)).join(' '),
      errors: merged.errors,
      'lost %': Number(((100 * merged.unanswered) / Math.max(1, merged.requests)).toFixed(3)),
    };
  });
}
