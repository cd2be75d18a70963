// Load by h2load (nghttp2, Debian's package nghttp2-client), over TLS or not, for HTTP/1.1 and HTTP/2 alike: written in C, so that
// what is busy is the balancer, and its own TLS leaves room on its core; one counter for both protocols. It counts an answer when it
// is whole. A number of requests and no duration: with -D a connection that is made after the time is over never ends (1.52, seen on
// a loaded machine). All targets are asked for one cipher and one curve, since each would prefer another. Connections are
// opened within what is measured: 64 handshakes beside 3,000 requests are a few percent.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KEYS, type LoadResult, POST_BODY } from './job.ts';
import { Latencies } from './latencies.ts';
import { onPath } from './targets.ts';

export interface CountedLoad {
  readonly protocol: 'http/1.1' | 'h2';
  readonly connections: number;
  /** Requests of one connection at once. */
  readonly streams: number;
  readonly requests: number;
  readonly isPost?: boolean;
}

/** Leaves no rest to a balancer with one worker. */
export const BUSY = { protocol: 'http/1.1', connections: 64, streams: 1 } as const;

/** False, and said, where it is not installed. */
export function hasH2load(progress: (text: string) => void): boolean {
  const isHere = onPath('h2load');
  if (!isHere) progress('h2load is not here: apt-get install nghttp2-client');
  return isHere;
}

/** Pinned to `core`. */
export async function h2load(url: string, load: CountedLoad, core: number): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'torc-h2load-'));
  const [uris, body] = [join(folder, 'uris'), join(folder, 'body')];
  writeFileSync(
    uris,
    Array.from({ length: KEYS }, (_, i) => `${url}/request?request_id=${i + 1}\n`).join(''),
  );
  writeFileSync(body, POST_BODY);
  const { protocol, connections, streams, requests, isPost = false } = load;
  const args = [
    ...['-c', String(core), 'h2load', '-t1', `-c${connections}`, `-m${streams}`, `-n${requests}`, '-i', uris],
    ...(protocol === 'h2' ? ['--npn-list=h2'] : ['--h1']),
    ...(isSecure(url) ? ['--tls13-ciphers=TLS_AES_128_GCM_SHA256', '--groups=X25519'] : []),
    ...(isPost ? ['-d', body, '-H', 'content-type: application/json'] : []),
  ];
  try {
    const output = await outputOf('taskset', args);
    if (isSecure(url)) checkProtocol(output, load);
    return resultOf(output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function outputOf(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', chunk => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}

const isSecure = (url: string): boolean => url.startsWith('https:');

function checkProtocol(output: string, { protocol }: CountedLoad): void {
  if (
    !output.includes('Cipher: TLS_AES_128_GCM_SHA256') ||
    !output.includes(`Application protocol: ${protocol}`)
  )
    throw new Error(`h2load spoke something else than ${protocol} over TLS 1.3:\n${output}`);
}

function resultOf(output: string): LoadResult {
  const counts = (label: string): number => Number(new RegExp(`(\\d+) ${label}`).exec(output)?.[1] ?? 0);
  return {
    requests: counts('succeeded'),
    seconds: secondsOf(output),
    errors: counts('3xx') + counts('4xx') + counts('5xx'),
    unanswered: counts('errored') + counts('timeout'),
    wrong: null,
    perReplica: [],
    latencies: new Latencies().toText(),
    lateP99Us: 0,
  };
}

/** "finished in 2.05s", or in ms, or in 1:02m. */
function secondsOf(output: string): number {
  const [, minutes = '0', number = '0', unit] =
    /finished in (?:(\d+):)?([\d.]+)(ms|us|s|m)/.exec(output) ?? [];
  const scale = unit === 'ms' ? 1e-3 : unit === 'us' ? 1e-6 : 1;
  return Number(minutes) * 60 + Number(number) * scale;
}
