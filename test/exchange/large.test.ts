// Large answers to readers that stop and go on: every byte arrives, in order, in its own answer. Chunks are read into
// memory that is used again as soon as they have left (Connection.keepChunk); here many have not when the next comes.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rawOrigin } from '../support/origin.ts';
import { startProxy } from '../support/proxy.ts';

const large = suite('large answers');

const BYTES = 6 * 1024 * 1024;
const READERS = 8;
const TURNS = 3;

const hashOf = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
/** A body that differs from every other one nearly everywhere. */
const bodyOf = (target: string): Buffer => Buffer.alloc(BYTES, `${target} ${hashOf(target)}\n`);

/** Asks one target after the other on one connection and stops reading now and then; the bodies' hashes. */
async function readSlowly(port: number, targets: readonly string[]): Promise<string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const hashes: string[] = [];
  for (const path of targets) {
    const [response] = (await once(get({ port, path, agent }), 'response')) as [IncomingMessage];
    const hash = createHash('sha256');
    let count = 0;
    for await (const chunk of response) {
      hash.update(chunk as Buffer);
      // What the kernel holds for us fills up meanwhile, and torc's writes no longer leave at once.
      if (count++ % 16 === 0) await new Promise(resolve => setTimeout(resolve, 5));
    }
    hashes.push(hash.digest('hex'));
  }
  agent.destroy();
  return hashes;
}

for (const framing of [`Content-Length: ${BYTES}`, 'Transfer-Encoding: chunked']) {
  large(`${framing}: ${READERS} slow readers get every byte`, async () => {
    const isChunked = framing.endsWith('chunked');
    const origin = await rawOrigin((request, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
      if (isChunked) socket.write(`${BYTES.toString(16)}\r\n`);
      socket.write(bodyOf(request.target));
      if (isChunked) socket.write('\r\n0\r\n\r\n');
    });
    const torc = await startProxy([origin.port]);
    try {
      const readers = Array.from({ length: READERS }, async (_, reader) => {
        const targets = Array.from({ length: TURNS }, (_, turn) => `/${reader}/${turn}`);
        assert.equal(
          await readSlowly(torc.port, targets),
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

large.run();
