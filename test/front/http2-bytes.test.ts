// The bytes of bodies and heads arrive as they were, whatever pieces they come in and whoever reads how fast: all that a
// connection is sent is copied into buffers that others use before and after it, and all that it says is read in place.

import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../src/core/random.ts';
import { Authority } from '../support/certificates.ts';
import {
  block,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  frameClient,
  GET,
  HEADERS,
  PING,
  PREFACE,
  SETTINGS,
} from '../support/http2.ts';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { freePort } from '../support/torc.ts';

const seed = Number(process.env.TORC_TEST_SEED ?? Date.now() % 1_000_000);
const random = seededRandom(seed);
const below = (bound: number): number => Math.floor(random() * bound);

const bytes = suite('http2 bytes');
let origin: Origin;
let torc: TestProxy;

bytes.before.each(async () => {
  // "/LETTER/LENGTH" is answered with so many of that letter, and with what came.
  origin = await rawOrigin(({ target, body }, socket) => {
    const [, letter = '', length = ''] = target.split('/');
    plain(`${letter.repeat(Number(length))}:${body}`)({} as never, socket);
  });
});
bytes.after.each(async () => {
  await torc.close();
  await origin.close();
});

const asked = (path: string, method = 'GET'): [string, string][] =>
  GET.map(([name, value]) => [name, name === ':path' ? path : name === ':method' ? method : value]);
const POST = block([...asked('/p/1', 'POST'), ['content-length', '6']]);

bytes('a conversation that is cut in two anywhere, and one that comes byte by byte', async () => {
  torc = await startProxy([origin.port]);
  const said = Buffer.concat([
    PREFACE,
    frame(SETTINGS, 0, 0),
    frame(HEADERS, END_HEADERS | END_STREAM, 1, block(asked('/a/3'))),
    frame(HEADERS, 0, 3, POST.subarray(0, 20)),
    frame(CONTINUATION, END_HEADERS, 3, POST.subarray(20)),
    frame(DATA, 0, 3, 'abc'),
    frame(PING, 0, 0, 'torctorc'),
    frame(DATA, END_STREAM, 3, 'def'),
    frame(HEADERS, END_HEADERS | END_STREAM, 5, block(asked('/b/2'))),
  ]);
  const pieces = Array.from({ length: said.length }, (_, cut) => [said.subarray(0, cut), said.subarray(cut)]);
  const letters = Array.from(said, (_, at) => said.subarray(at, at + 1));
  for (let at = 0; at <= pieces.length; at += 32)
    await Promise.all(
      [...pieces.slice(at, at + 32), ...(at === 0 ? [letters] : [])].map(async list => {
        const client = await frameClient(torc.port, { silent: true });
        for (const piece of list) {
          client.send(piece);
          await new Promise(resolve => setImmediate(resolve));
        }
        const bodyOf = (of: number): string =>
          client.frames
            .filter(({ type, id }) => type === DATA && id === of)
            .map(({ payload }) => payload.toString())
            .join('');
        const isWhole = (): boolean =>
          [1, 3, 5].every(of =>
            client.frames.some(({ id, flags }) => id === of && (flags & END_STREAM) !== 0),
          );
        await client.sees(isWhole, `three answers, cut at ${list[0]!.length}`);
        assert.equal([bodyOf(1), bodyOf(3), bodyOf(5)], ['aaa:', 'p:abcdef', 'bb:']);
        client.close();
      }),
    );
});

const LETTERS = 'abcdefghijklmnop';

/** Many bodies both ways at once, some of them read slowly; all have to be their own. */
async function exchangeMany(sessions: readonly ClientHttp2Session[]): Promise<void> {
  const one = async (session: ClientHttp2Session): Promise<void> => {
    const letter = LETTERS[below(LETTERS.length)]!;
    const length = below(below(4) === 0 ? 400_000 : 3000);
    const body = letter.toUpperCase().repeat(below(below(4) === 0 ? 200_000 : 3000));
    const stream = session.request(
      {
        ':path': `/${letter}/${length}`,
        ':method': 'POST',
        ...(below(2) === 0 && { 'content-length': body.length }),
      },
      { endStream: false },
    );
    const chunks: Buffer[] = [];
    const isSlow = below(5) === 0;
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (!isSlow) return;
      stream.pause();
      setImmediate(() => stream.resume());
    });
    stream.end(body);
    await new Promise((resolve, reject) => stream.once('close', resolve).once('error', reject));
    assert.is(Buffer.concat(chunks).toString(), `${letter.repeat(length)}:${body}`, `seed ${seed}`);
  };
  for (let round = 0; round < 3; round++)
    await Promise.all(sessions.flatMap(session => Array.from({ length: 12 }, () => one(session))));
  for (const session of sessions) session.destroy();
}

bytes('many bodies at once, in plain', async () => {
  torc = await startProxy([origin.port]);
  await exchangeMany(Array.from({ length: 5 }, () => connect(`http://127.0.0.1:${torc.port}`)));
});

bytes('many bodies at once, behind TLS', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'http2-'));
  const authority = new Authority(directory);
  const port = await freePort();
  torc = await startProxy([origin.port], { HTTPS_PORT: String(port), TLS: 'self-signed' });
  const certificate = { ...authority.issue(['IP:127.0.0.1']), names: [] };
  torc.proxy.tls.useTicketKeys([new Uint8Array(48)]);
  torc.proxy.tls.use({ certificates: [certificate], clientCa: null });
  const at = { host: '127.0.0.1', port, mode: 0, setting: 'TORC_HTTPS_PORT', redirect: null };
  await torc.proxy.listen({ ...at, tls: true }, { host: at.host, port });
  const { cert: ca } = authority;
  await exchangeMany(Array.from({ length: 5 }, () => connect(`https://127.0.0.1:${port}`, { ca })));
  rmSync(directory, { recursive: true, force: true });
});

bytes.run();
