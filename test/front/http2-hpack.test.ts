// HPACK: the examples of RFC 7541 appendix C, what is broken, anything at all, and the other way round by a decoder that is not
// torc's: node:http2's (nghttp2), which also writes what torc reads, with a table that fills, turns over and shrinks.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HpackDecoder } from '../../src/front/http2/hpack-decoder.ts';
import { putLines, putStatus, roomFor } from '../../src/front/http2/hpack-encoder.ts';
import { huffmanDecoded } from '../../src/front/http2/huffman.ts';
import { ask2, http2Client } from '../support/http2.ts';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { startProxy } from '../support/proxy.ts';

const hpack = suite('hpack');
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const read = (decoder: HpackDecoder, block: Buffer): string[] | null =>
  decoder.decode(block, 0, block.length) ? [...decoder.fields] : null;
const decoderOf = (mostBytes = 65_536, mostFields = 512): HpackDecoder =>
  new HpackDecoder(mostBytes, mostFields);
/** A table of 256 bytes, as the examples of answers have it. */
const SMALL_TABLE = '3fe101';

const REQUESTS = [
  [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'],
  [
    ':method',
    'GET',
    ':scheme',
    'http',
    ':path',
    '/',
    ':authority',
    'www.example.com',
    'cache-control',
    'no-cache',
  ],
  [
    ...[':method', 'GET', ':scheme', 'https', ':path', '/index.html', ':authority', 'www.example.com'],
    ...['custom-key', 'custom-value'],
  ],
];
const DATE = 'Mon, 21 Oct 2013 20:13:21 GMT';
const LOCATION = 'https://www.example.com';
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const ANSWERS = [
  [':status', '302', 'cache-control', 'private', 'date', DATE, 'location', LOCATION],
  [':status', '307', 'cache-control', 'private', 'date', DATE, 'location', LOCATION],
  [
    ...[':status', '200', 'cache-control', 'private', 'date', DATE.replace('21 GMT', '22 GMT')],
    ...['location', LOCATION, 'content-encoding', 'gzip', 'set-cookie', COOKIE],
  ],
];

const examples: Record<string, readonly [readonly string[], readonly (readonly string[])[]]> = {
  'C.3, requests': [
    [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    REQUESTS,
  ],
  'C.4, requests in the Huffman code': [
    [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
    REQUESTS,
  ],
  'C.5, answers, whose table turns over': [
    [
      `${SMALL_TABLE} 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
    ],
    ANSWERS,
  ],
  'C.6, answers in the Huffman code': [
    [
      `${SMALL_TABLE} 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ],
    ANSWERS,
  ],
};

for (const [name, [blocks, lists]] of Object.entries(examples))
  hpack(`the examples of RFC 7541: ${name}`, () => {
    const decoder = decoderOf();
    assert.equal(
      blocks.map(block => read(decoder, hex(block))),
      lists,
    );
  });

const broken: Record<string, string> = {
  'index 0': '80',
  'an index that is in no table': 'be',
  'a name that is in no table': '7e 01 61',
  'a number that never ends': 'ff ffff ffff ffff ffff ffff ffff 01',
  'a number of zeros that never ends': 'ff 8080 8080 8080 8080 8080 00',
  'a number that is cut': 'ff',
  'a name that is cut': '00 05 61',
  'a value that is missing': '00 01 61',
  'a value that is cut': '00 01 61 7f 80',
  'the end of a string within a string': '00 01 61 84 ffff ffff',
  'padding of eight bits': '00 01 61 82 1f ff',
  'padding of zeros': '00 01 61 81 18',
  'a table larger than was offered': '3f e2 1f',
  'a new size of the table behind a field': '82 20',
};
for (const [name, block] of Object.entries(broken))
  hpack(`broken: ${name}`, () => assert.is(read(decoderOf(), hex(block)), null));

hpack('a field that is larger than the table empties it; one that is smaller again is kept', () => {
  const decoder = decoderOf();
  const field = (name: string, value: string): Buffer => Buffer.concat([hex('40'), text(name), text(value)]);
  const text = (value: string): Buffer => {
    const out = Buffer.alloc(roomFor(`${value}: \r\n`));
    const end = putLines(out, 0, `${value}: \r\n`, 0);
    // As a literal that nobody keeps: its first byte and the empty value are taken off.
    return Buffer.from(out.subarray(1, end - 1));
  };
  assert.equal(read(decoder, field('a', 'b')), ['a', 'b']);
  assert.equal(read(decoder, hex('be')), ['a', 'b']);
  assert.is(read(decoder, field('c'.repeat(5000), ''))?.[0]?.length, 5000);
  assert.is(read(decoder, hex('be')), null);
});

hpack('what is too long is read to its end, and not kept', () => {
  const decoder = decoderOf(100, 3);
  const kept = hex('40 01 61 01 62');
  assert.ok(decoder.decode(Buffer.concat([hex('82 82 82 82'), kept]), 0, 9));
  assert.ok(decoder.isTooLong);
  assert.is(decoder.fields.length, 4);
  assert.equal(read(decoder, hex('be')), ['a', 'b']);
  assert.not.ok(decoder.isTooLong);
});

hpack('any bytes at all are read or refused, and cost no more than they are', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), blocks => {
      const decoder = decoderOf(2000, 20);
      for (const bytes of blocks) {
        const block = Buffer.from(bytes);
        if (!decoder.decode(block, 0, block.length)) return;
        assert.ok(decoder.fields.length <= 40);
        assert.ok(decoder.fields.join('').length <= 2000);
      }
    }),
    { numRuns: 20_000 },
  );
});

hpack('any bytes at all in the Huffman code: each byte has its code back, and nothing falls', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
      const text = huffmanDecoded(bytes, 0, bytes.length);
      assert.ok(text === null || text.length <= (bytes.length * 8) / 5);
    }),
    { numRuns: 20_000 },
  );
});

const NAMES = [
  'a',
  'x-b',
  'cache-control',
  'etag',
  'x-long-name-that-is-in-no-table',
  'set-cookie',
  'vary',
  'server',
];
const value = fc
  .string({
    unit: fc.integer({ min: 0x20, max: 0xff }).map(code => String.fromCharCode(code === 0x7f ? 0x7e : code)),
    maxLength: 200,
  })
  .map(text =>
    text
      .replaceAll(/[\x7f-\x9f]/g, '~')
      .trim()
      .replaceAll('\u00a0', '_'),
  );
// node:http2 makes one of two that have a name.
const fields = fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), value), { selector: ([name]) => name });

hpack('what is written is what is read', () => {
  fc.assert(
    fc.property(fields, fc.constantFrom('200', '304', '418', '999'), (list, status) => {
      const lines = list.map(([name, text]) => `${name.toUpperCase()}: ${text}\r\n`).join('');
      const out = Buffer.alloc(roomFor(lines));
      const end = putLines(out, putStatus(out, 0, status), lines, 0);
      assert.ok(end <= out.length);
      assert.equal(read(decoderOf(), out.subarray(0, end)), [':status', status, ...list.flat()]);
    }),
    { numRuns: 500 },
  );
});

hpack(
  "nghttp2's blocks are read, and torc's are read by nghttp2, one after the other on one connection",
  async () => {
    const origin: Origin = await rawOrigin(plain('hello'));
    const torc = await startProxy([origin.port], { REQUEST_ID: 'off' });
    const session = await http2Client(torc.port);
    try {
      for (const list of fc.sample(fields, 300)) {
        const before = origin.requests.length;
        origin.answer = plain(
          'hello',
          list.map(([name, text]) => `${name}: ${text}`),
        );
        const answer = await ask2(session, Object.fromEntries(list));
        const { head } = origin.requests[before]!;
        for (const [name, text] of list) {
          assert.ok(`${head}\r\n`.includes(`\r\n${name}: ${text}\r\n`), `${name}: ${text}`);
          assert.is([answer.headers[name]].flat().join(), text, name);
        }
      }
    } finally {
      session.destroy();
      await torc.close();
      await origin.close();
    }
  },
);

hpack.run();
