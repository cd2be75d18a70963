// How torc reaches the raw replicas of a test: TCP, or the same over TLS or a unix socket where TORC_TEST_REPLICA says so, so
// that every test of the data plane can be run over each. By default TCP, since what is above is the same.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import type { ReplicaAddress } from '../../src/core/types.ts';

const way = process.env.TORC_TEST_REPLICA ?? 'tcp';
const directory = way === 'tcp' ? '' : mkdtempSync(join(tmpdir(), 'torc-way-'));
if (directory !== '') process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
if (way === 'tls')
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
      ...['-subj', '/CN=replica', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', key, '-out', certificate],
    ],
    { stdio: 'pipe' },
  );
let sockets = 0;

/** Its connections come as the event `event`. */
export function replicaServer(options: ServerOpts): { server: Server; event: string } {
  if (way !== 'tls') return { server: createServer(options), event: 'connection' };
  const pem = { key: readFileSync(key), cert: readFileSync(certificate) };
  return { server: createTlsServer({ ...options, ...pem }), event: 'secureConnection' };
}

/** Resolves to what stands for its address in a test: a port, or a number that names its socket. */
export async function listen(server: Server, port: number): Promise<number> {
  const number = way === 'unix' ? port || ++sockets : port;
  await new Promise<void>(resolve => {
    if (way === 'unix') server.listen(socketOf(number), resolve);
    else server.listen(number, '127.0.0.1', resolve);
  });
  return way === 'unix' ? number : (server.address() as { port: number }).port;
}

export function addressFor(port: number): ReplicaAddress {
  if (way === 'unix') return { host: socketOf(port), port: 0 };
  const address = { host: '127.0.0.1', port };
  return way === 'tls' ? { ...address, tls: { serverName: '', ca: certificate } } : address;
}

/** As TORC_UPSTREAMS has it. */
export function upstreamFor(port: number): string {
  if (way === 'unix') return `unix:${socketOf(port)}`;
  return way === 'tls' ? `https://127.0.0.1:${port};ca=${certificate}` : `127.0.0.1:${port}`;
}

const socketOf = (number: number): string => join(directory, `${number}.sock`);
