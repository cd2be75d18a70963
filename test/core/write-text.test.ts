// Texts that go past the stream, on real sockets: what the kernel does not take at once keeps its place before all that
// comes later, whoever wrote it, and an end or an error is the stream's.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesSent, unwritten, writeBytes, writeText } from '../../src/core/write-text.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('texts written at once');
let server: Server;
let ours: Socket;
let theirs: Socket;

test.before.each(async () => {
  server = createServer({ allowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  theirs = connect((server.address() as AddressInfo).port, '127.0.0.1');
  [ours] = (await once(server, 'connection')) as [Socket];
  theirs.on('error', () => {});
});
test.after.each(() => {
  ours.destroy();
  theirs.destroy();
  server.close();
});

function refuse(): never {
  throw new Error('the stream was asked');
}

/** Until the kernel takes no more. */
function fill(write: (text: string) => void): void {
  for (let count = 0; unwritten(ours) === 0; count++) {
    assert.ok(count < 100_000, 'the kernel takes everything');
    write(`${count} `.repeat(1000));
  }
}

test('a text that the kernel takes is no business of the stream', async () => {
  ours.write = refuse;
  writeText(ours, 'caf\xe9');
  const [chunk] = (await once(theirs, 'data')) as [Buffer];
  assert.is(chunk.toString('latin1'), 'caf\xe9');
  assert.is(unwritten(ours), 0);
  assert.is(ours.bytesWritten, 4);
});

test('what it does not take keeps its place, and an end waits for it', async () => {
  const sent = createHash('sha256');
  const put = (text: string): void => {
    sent.update(text, 'latin1');
    writeText(ours, text);
  };
  fill(put);
  assert.is(ours.writableLength, 0, 'the stream has something');
  for (let count = 0; count < 50; count++) {
    put(`text ${count} `.repeat(900));
    const bytes = Buffer.alloc(9000, `bytes ${count} `);
    sent.update(bytes);
    ours.write(bytes);
  }
  ours.end();
  const got = createHash('sha256');
  for await (const chunk of theirs) got.update(chunk as Buffer);
  assert.is(got.digest('hex'), sent.digest('hex'));
});

test('bytes between texts that the kernel takes are no business of the stream', async () => {
  ours.write = refuse;
  const long = 'x'.repeat(200_000);
  writeBytes(ours, 'head ', Buffer.from('bytes'), ' and \xe9nd');
  writeBytes(ours, '', Buffer.from(', bytes alone'), '');
  writeBytes(ours, long, Buffer.from('y'), '');
  assert.is(unwritten(ours), 0);
  const all = `head bytes and \xe9nd, bytes alone${long}y`;
  assert.is(bytesSent(ours), all.length);
  ours.end();
  let got = '';
  for await (const chunk of theirs) got += (chunk as Buffer).toString('latin1');
  assert.is(got, all);
});

for (const [before, behind] of [
  ['head ', ' end'],
  ['', ''],
] as const) {
  test(`of bytes ${before === '' ? 'alone' : 'between texts'} what the kernel does not take keeps its place, and their memory is free`, async () => {
    const sent = createHash('sha256');
    const bytes = Buffer.alloc(50_000);
    const put = (count: number): void => {
      bytes.fill(`bytes ${count} `);
      sent.update(before).update(bytes).update(behind);
      writeBytes(ours, before, bytes, behind);
      bytes.fill('read into again');
    };
    let count = 0;
    for (; unwritten(ours) === 0; put(count++)) assert.ok(count < 10_000, 'the kernel takes everything');
    for (let more = 0; more < 5; more++) {
      put(count++);
      sent.update('text');
      writeText(ours, 'text');
    }
    ours.end();
    const got = createHash('sha256');
    for await (const chunk of theirs) got.update(chunk as Buffer);
    assert.is(got.digest('hex'), sent.digest('hex'));
  });
}

test('afterwards texts go past the stream again', async () => {
  fill(text => writeText(ours, text));
  writeText(ours, 'behind');
  assert.is(ours.writableLength, 6);
  theirs.resume();
  await waitFor(() => unwritten(ours) === 0, { timeoutMs: 5000, what: 'all to have left' });
  ours.write = refuse;
  writeText(ours, 'more');
});

test('a stream that is full tells when it is not', async () => {
  fill(text => writeText(ours, text));
  while (!ours.writableNeedDrain) writeText(ours, 'x'.repeat(10_000));
  const drained = once(ours, 'drain');
  theirs.resume();
  await drained;
});

test('a peer that is gone is an error of the stream, at once or later', async () => {
  fill(text => writeText(ours, text));
  const failed = once(ours, 'error') as Promise<[NodeJS.ErrnoException]>;
  theirs.resetAndDestroy();
  const [error] = await failed;
  assert.ok(error.code === 'ECONNRESET' || error.code === 'EPIPE', String(error));
  assert.ok(ours.destroyed);
});

for (const [what, put] of [
  ['a text', () => writeText(ours, 'x')],
  ['bytes', () => writeBytes(ours, 'x', Buffer.from('y'), '')],
] as const) {
  test(`a write of ${what} that fails at once took nothing, and is known at once`, async () => {
    // Half-open and not read: nobody is told of the reset before the write.
    ours.pause();
    theirs.resetAndDestroy();
    await once(theirs, 'close');
    ours.on('error', () => {});
    await waitFor(
      () => {
        put();
        return ours.errored !== null;
      },
      { timeoutMs: 5000, what: 'the reset' },
    );
    assert.is((ours.errored as NodeJS.ErrnoException).syscall, 'write');
  });
}

test('who wants to hear of all deprecations, or to end at them, need not hear of it', () => {
  const module = new URL('../../src/core/write-text.ts', import.meta.url).href;
  const flags = ['--pending-deprecation', '--throw-deprecation', '--input-type=module'];
  const loaded = spawnSync(
    process.execPath,
    [...flags, '-e', `await import('${module}'); process.exitCode = process.noDeprecation ? 1 : 0`],
    {
      encoding: 'utf8',
      timeout: 60_000,
    },
  );
  assert.is(loaded.stderr, '');
  assert.is(loaded.status, 0);
});

test.run();
