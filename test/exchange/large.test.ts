// Large answers to readers that stop and go on, and large uploads to replicas that do: every byte arrives, in order, in its
// own message. Chunks are read into memory that is read into again at once (core/shared-buffer.ts), or that is freed
// (replica-socket.ts); here many have not left when the next comes.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, createServer, get, type IncomingMessage, request } from 'node:http';
import { get as getSecurely, Agent as SecureAgent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Authority } from '../support/certificates.ts';
import { rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { freePort } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';
import { listen, replicaServer } from '../support/way.ts';

const large = suite('large bodies');

const BYTES = 6 * 1024 * 1024;
const READERS = 8;
const TURNS = 2;
const PIECE_BYTES = 8 * 1024;
const UPLOAD_PIECE_BYTES = 150_000;
const MOST_SENT_BYTES = 256 * 1024 * 1024;

const directory = mkdtempSync(join(tmpdir(), 'torc-large-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

const hashOf = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
/** A body that differs from every other one nearly everywhere. */
const bodyOf = (target: string): Buffer => Buffer.alloc(BYTES, `${target} ${hashOf(target)}\n`);

async function slowHashOf(message: IncomingMessage): Promise<string> {
  const hash = createHash('sha256');
  let count = 0;
  for await (const chunk of message) {
    hash.update(chunk as Buffer);
    // What the kernel holds for us fills up meanwhile, and torc's writes no longer leave at once.
    if (count++ % 16 === 0) await new Promise(resolve => setTimeout(resolve, 5));
  }
  return hash.digest('hex');
}

/** Asks one target after the other on one connection and stops reading now and then; the bodies' hashes. */
async function readSlowly(url: string, targets: readonly string[]): Promise<string[]> {
  const isSecure = url.startsWith('https:');
  const options = { keepAlive: true, maxSockets: 1 };
  const agent = isSecure ? new SecureAgent({ ...options, rejectUnauthorized: false }) : new Agent(options);
  const hashes: string[] = [];
  for (const path of targets) {
    const asked = (isSecure ? getSecurely : get)(`${url}${path}`, { agent });
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    hashes.push(await slowHashOf(response));
  }
  agent.destroy();
  return hashes;
}

/** Over TLS a write is copied, and ends a turn later: its chunk's memory is used again at another moment. */
async function securely(torc: TestProxy): Promise<string> {
  const authority = new Authority(directory);
  const certificates = [{ ...authority.issue(['IP:127.0.0.1']), names: [] }];
  torc.proxy.tls.useTicketKeys([new Uint8Array(48)]);
  torc.proxy.tls.use({ certificates, clientCa: null });
  const port = await freePort();
  const at = { host: '127.0.0.1', port };
  await torc.proxy.listen({ ...at, mode: 0, setting: 'TORC_HTTPS_PORT', tls: true, redirect: null }, at);
  return `https://127.0.0.1:${port}`;
}

const ways = [`Content-Length: ${BYTES}`, 'Transfer-Encoding: chunked'].flatMap(framing => [
  { framing, isSecure: false },
  { framing, isSecure: true },
]);
for (const { framing, isSecure } of ways) {
  large(`${framing}${isSecure ? ' over TLS' : ''}: ${READERS} slow readers get every byte`, async () => {
    const isChunked = framing.endsWith('chunked');
    const origin = await rawOrigin((request, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
      if (isChunked) socket.write(`${BYTES.toString(16)}\r\n`);
      socket.write(bodyOf(request.target));
      if (isChunked) socket.write('\r\n0\r\n\r\n');
    });
    const torc = await startProxy([origin.port], isSecure ? { HTTPS_PORT: '443', TLS: 'self-signed' } : {});
    try {
      const url = isSecure ? await securely(torc) : `http://127.0.0.1:${torc.port}`;
      const readers = Array.from({ length: READERS }, async (_, reader) => {
        const targets = Array.from({ length: TURNS }, (_, turn) => `/${reader}/${turn}`);
        assert.equal(
          await readSlowly(url, targets),
          targets.map(target => hashOf(bodyOf(target))),
        );
      });
      await Promise.all(readers);
    } finally {
      await torc.close();
      await origin.close();
    }
  });
}

for (const isChunked of [false, true]) {
  large(
    `${isChunked ? 'chunked' : 'with a length'}: a slow replica gets every byte of ${READERS} uploads`,
    async () => {
      const http = createServer(async (asked, response) => response.end(await slowHashOf(asked)));
      const { server, event } = replicaServer({ allowHalfOpen: true });
      server.on(event, socket => http.emit('connection', socket));
      const torc = await startProxy([await listen(server, 0)]);
      const agent = new Agent({ keepAlive: true, maxSockets: READERS });
      const upload = async (target: string): Promise<string> => {
        const body = bodyOf(target);
        const asked = request(`http://127.0.0.1:${torc.port}${target}`, { method: 'POST', agent });
        if (!isChunked) asked.setHeader('content-length', body.length);
        const answered = once(asked, 'response') as Promise<[IncomingMessage]>;
        for (let at = 0; at < body.length; at += UPLOAD_PIECE_BYTES)
          if (!asked.write(body.subarray(at, at + UPLOAD_PIECE_BYTES))) await once(asked, 'drain');
        asked.end();
        return (await (await answered)[0].toArray()).join('');
      };
      try {
        const targets = Array.from({ length: READERS * TURNS }, (_, index) => `/${index}`);
        assert.equal(
          await Promise.all(targets.map(upload)),
          targets.map(target => hashOf(bodyOf(target))),
        );
      } finally {
        agent.destroy();
        await torc.close();
        server.close();
      }
    },
  );
}

large('over TLS: small pieces that wait for a reader who does not read keep their memory', async () => {
  let sent = 0;
  let isFull = false;
  const hash = createHash('sha256');
  const origin = await rawOrigin((_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n');
    // One in each turn, until the replica has to wait too: then all on the way is full.
    const send = (): void => {
      const piece = Buffer.alloc(PIECE_BYTES, `${sent}\n`);
      hash.update(piece);
      sent += piece.length;
      isFull = socket.writableLength > 16 * PIECE_BYTES || sent > MOST_SENT_BYTES;
      socket.write(piece);
      if (isFull) socket.end();
      else setImmediate(send);
    };
    send();
  });
  const torc = await startProxy([origin.port], { HTTPS_PORT: '443', TLS: 'self-signed' });
  try {
    const agent = new SecureAgent({ rejectUnauthorized: false });
    const asked = getSecurely(`${await securely(torc)}/`, { agent });
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    await waitFor(() => isFull, { timeoutMs: 60_000, what: 'the replica has to wait' });
    assert.ok(sent < MOST_SENT_BYTES, 'nobody had to wait');
    const received = createHash('sha256');
    for await (const chunk of response) received.update(chunk as Buffer);
    assert.is(received.digest('hex'), hash.digest('hex'));
  } finally {
    await torc.close();
    await origin.close();
  }
});

large.run();
