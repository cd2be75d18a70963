// Frames of every kind, right and wrong, in every order and cut anywhere: torc neither falls nor forgets anybody, and no
// request that was not whole reaches a replica. The seed is printed where it fails.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../src/core/random.ts';
import { block, frame, frameClient, GET, PREFACE, setting, uint32 } from '../support/http2.ts';
import { plain, rawOrigin } from '../support/origin.ts';
import { startProxy } from '../support/proxy.ts';
import { ask, get } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const CONNECTIONS = 400;
const seed = Number(process.env.TORC_TEST_SEED ?? Date.now() % 1_000_000);
const random = seededRandom(seed);
const below = (bound: number): number => Math.floor(random() * bound);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

const FIELDS: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':method', 'POST'],
  [':method', 'CONNECT'],
  [':scheme', 'http'],
  [':path', '/a'],
  [':path', ''],
  [':path', '/rep'],
  [':path', '*'],
  [':authority', 'a'],
  [':protocol', 'websocket'],
  [':protocol', 'a\u00e9'],
  [':status', '200'],
  ['content-length', '3'],
  ['content-length', '0'],
  ['transfer-encoding', 'chunked'],
  ['connection', 'close'],
  ['te', 'trailers'],
  ['te', 'gzip'],
  ['expect', '100-continue'],
  ['cookie', 'a=b'],
  ['host', 'b'],
  ['Upper', 'x'],
  ['constructor', 'x'],
  ['__proto__', 'x'],
  ['x\u00e9', '\u00e9'],
  ['x', 'a'.repeat(9000)],
];

function payload(type: number): Buffer {
  if (random() < 0.1) return Buffer.from(Array.from({ length: below(40) }, () => below(256)));
  switch (type) {
    case 1:
    case 9:
      return block([...(random() < 0.8 ? GET : []), ...Array.from({ length: below(5) }, () => pick(FIELDS))]);
    case 2:
      return Buffer.from([0, 0, 0, below(9), 1]);
    case 3:
      return uint32(below(15));
    case 4:
      return Buffer.concat(
        Array.from({ length: below(4) }, () => setting(below(10), pick([0, 1, 100, 2 ** 31]))),
      );
    case 6:
    case 7:
      return Buffer.alloc(8);
    case 8:
      return uint32(pick([0, 1, 1000, 2 ** 31 - 1]));
    default:
      return Buffer.alloc(pick([0, 1, 3, 1000]), 'a');
  }
}

function anyFrame(): Buffer {
  const type = pick([0, 0, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 77]);
  const flags = pick([0, 1, 4, 5, 5, 8, 0x20, 0xff]);
  const made = frame(type, flags, pick([0, 1, 1, 3, 5, 7, 2, 2 ** 31 - 1]), payload(type));
  if (random() < 0.05) made[below(made.length)] = below(256);
  return random() < 0.03 ? made.subarray(0, below(made.length)) : made;
}

const fuzz = suite('http2 fuzz');

fuzz('any frames at all', async () => {
  const origin = await rawOrigin(plain('hello'));
  const torc = await startProxy([origin.port]);
  try {
    for (let done = 0; done < CONNECTIONS; done += 20) {
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const client = await frameClient(torc.port, { silent: true });
          client.send(random() < 0.95 ? PREFACE : PREFACE.subarray(0, below(24)), frame(4, 0, 0));
          for (let count = below(12); count >= 0 && !client.closed; count--) {
            client.send(anyFrame());
            if (random() < 0.3) await new Promise(resolve => setImmediate(resolve));
          }
          if (random() < 0.5) client.socket.end();
          await new Promise(resolve => setTimeout(resolve, below(20)));
          client.close();
        }),
      );
      assert.is((await ask(torc.port, get('/settle'))).body, 'hello', `seed ${seed}`);
    }
    const isQuiet = (): boolean =>
      torc.counters.collect(false, null).slots.every(({ inFlight }) => inFlight === 0);
    await waitFor(isQuiet, { timeoutMs: 10_000, what: `nothing to be in flight, seed ${seed}` });
    for (const { head } of origin.requests)
      assert.not.match(head, /\n[^\r\n:]*[A-Z]pper:|^\S+ \S* HTTP\/1\.1\r\n:/, `seed ${seed}`);
  } finally {
    await torc.close();
    await origin.close();
  }
});

fuzz.run();
