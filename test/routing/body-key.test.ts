// The key in a request's body: pieces of any size, what ends the reading, the next source where there is none. The scanner
// of JSON is compared with JSON.parse: whole documents and broken ones, cut anywhere.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KEPT_BODY_BYTES, Pieces } from '../../src/core/pieces.ts';
import { seededRandom } from '../../src/core/random.ts';
import { BodyKey, isReadable } from '../../src/routing/body-key.ts';
import { canonicalNumber } from '../../src/routing/json-number.ts';
import { JsonScan, MAX_DEPTH, MORE, type Scanned, VALUE } from '../../src/routing/json-scan.ts';
import { FOUND, FoundKey, findKey, IN_BODY, NO_KEY, TO_ISSUE } from '../../src/routing/key.ts';
import { sourcesOf } from '../support/key-sources.ts';

const body = suite('body key');

const pointerOf = (text: string): readonly string[] => sourcesOf(`json:${text}`)[0]!.parts[0]!.pointer;

/** What the scanner says of a text that comes in pieces of that size; `read` counts the bytes that it took to know. */
function scan(
  pointer: readonly string[],
  text: Buffer,
  pieceBytes: number,
): { found: string | null; read: number } {
  const scanning = new JsonScan(pointer);
  let outcome: Scanned = MORE;
  let at = 0;
  while (at < text.length && outcome === MORE) {
    const piece = text.subarray(at, at + pieceBytes);
    outcome = scanning.feed(piece, piece.length);
    at += piece.length;
  }
  return { found: outcome === VALUE ? scanning.text : null, read: outcome === MORE ? -1 : at };
}

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

const cases: readonly (readonly [string, string, string | null])[] = [
  ['/a', '{"a":"x"}', 'x'],
  ['/a', ' \t\r\n{ "b" : [1,{"a":2}] , "a" : 7 } ', '7'],
  ['/a/b', '{"b":1,"a":{"c":{},"b":true}}', 'true'],
  ['/a/1', '{"a":[[0,1],"z"]}', 'z'],
  ['/0', '["x"]', 'x'],
  ['/2/0', '[[],{"0":1},[false]]', 'false'],
  ['/a', '{"a":null}', null],
  ['/a', '{"a":""}', null],
  ['/a', '{"a":{}}', null],
  ['/a', '{"a":[1]}', null],
  ['/a', '{"b":1}', null],
  ['/a', '"a"', null],
  ['/a', '7', null],
  ['/a/b', '{"a":"b"}', null],
  ['/a/01', '{"a":["x","y"]}', null],
  ['/a/-', '{"a":["x","y"]}', null],
  ['/a/-', '{"a":{"-":1}}', '1'],
  ['/a/0', '{"a":{"0":"object"}}', 'object'],
  ['/', '{"":5}', '5'],
  ['/a~1b/~0', '{"a/b":{"~":"t"}}', 't'],
  ['/a%2Cb/%2B%3B%25', '{"a,b":{"+;%":"p"}}', 'p'],
  ['/ü', '{"\\u00fc":1}', '1'],
  ['/\u{1f600}', '{"\\ud83d\\ude00":1}', '1'],
  // Of names that come twice the first counts.
  ['/a', '{"a":1,"a":2}', '1'],
  ['/a', '{"\\u0061":1,"a":2}', '1'],
  ['/a/b', '{"a":{"c":1},"a":{"b":2}}', null],
  ['/a/b', '{"a":1,"a":{"b":2}}', null],
  ['/a', '{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t"}', '"\\/\b\f\n\r\t'],
  ['/a', '{"a":"\\u00e9ü\\uD83D\\uDE00"}', bytes('éü😀')],
  ['/a', '{"a":"\\ud83dx\\ude00"}', bytes('\ufffdx\ufffd')],
  ['/a', '{"a":"\\ud83d\\ud83d\\ude00"}', bytes('\ufffd😀')],
  ['/a', '{"a":"\\ud83d"}', bytes('\ufffd')],
  // No JSON before the value.
  ['/a', '{"b":01,"a":1}', null],
  ['/a', '{"b":+1,"a":1}', null],
  ['/a', '{"b":.5,"a":1}', null],
  ['/a', '{"b":1.,"a":1}', null],
  ['/a', '{"b":1e,"a":1}', null],
  ['/a', '{"b":-,"a":1}', null],
  ['/a', '{"b":nul,"a":1}', null],
  ['/a', '{"b":True,"a":1}', null],
  ['/a', '{"b":1,,"a":1}', null],
  ['/a', '{,"a":1}', null],
  ['/a', '{"b":[1,],"a":1}', null],
  ['/a', '{"b":[}],"a":1}', null],
  ['/a', '{"b":"\n","a":1}', null],
  ['/a', '{"b":"\\x","a":1}', null],
  ['/a', '{"b":"\\u12g4","a":1}', null],
  ['/a', "{'a':1}", null],
  ['/a', '{a:1}', null],
  ['/a', '{"a" 1}', null],
  ['/a', '\ufeff{"a":1}', null],
  ['/a', 'a=1', null],
  ['/a', '', null],
  ['/a', '{"a":1', null],
  ['/a', '{"a":tru', null],
  ['/a', '{"a":"x', null],
  ['/a', '{"a":1x}', null],
  // What follows the value is not looked at.
  ['/a', '{"a":"x"', 'x'],
  ['/a', '{"a":"x" is no JSON', 'x'],
];

for (const [pointer, text, expected] of cases)
  body(`${pointer} in ${JSON.stringify(text)}`, () => {
    for (const pieceBytes of [1, 2, 3, 1000])
      assert.is(
        scan(pointerOf(pointer), Buffer.from(text), pieceBytes).found,
        expected,
        `pieces of ${pieceBytes}`,
      );
  });

body(
  'a value is known with the byte that completes it, and its absence with the bracket that says so',
  () => {
    const readOf = (pointer: string, text: string): number =>
      scan(pointerOf(pointer), Buffer.from(text), 1).read;
    assert.is(readOf('/a', '{"a":"x","b":1}'), '{"a":"x"'.length);
    assert.is(readOf('/a', '{"a":17,"b":1}'), '{"a":17,'.length);
    assert.is(readOf('/a', '{"a":true ,"b":1}'), '{"a":true'.length);
    assert.is(readOf('/a/b', '{"a":{"c":1},"d":1}'), '{"a":{"c":1}'.length);
    assert.is(readOf('/a/0', '{"a":[],"d":1}'), '{"a":[]'.length);
    assert.is(readOf('/a', 'no JSON at all'), 1);
    assert.is(readOf('/a', '--boundary'), 1);
    assert.is(readOf('/a', '\x1f\x8b'), 1);
  },
);

const scalar = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
  fc.boolean(),
  fc.constant(null),
);
const name = fc.oneof(
  fc.constantFrom('a', 'b', '0', '1', '', '~', '/', 'é', '😀', '\ud800'),
  fc.string({ unit: 'binary', maxLength: 3 }),
);
const { value } = fc.letrec(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4 }),
  ),
}));
const way = fc.array(name, { minLength: 1, maxLength: 4 });

/** All ways through a value, so that many of those asked for are there. */
function waysOf(tree: unknown, way: readonly string[] = []): (readonly string[])[] {
  if (typeof tree !== 'object' || tree === null) return [way];
  return [way, ...Object.entries(tree).flatMap(([key, child]) => waysOf(child, [...way, key]))];
}

function reference(tree: unknown, pointer: readonly string[]): string | null {
  let at: unknown = tree;
  for (const token of pointer) {
    if (typeof at !== 'object' || at === null) return null;
    if (Array.isArray(at) && !/^(?:0|[1-9]\d*)$/.test(token)) return null;
    if (!Object.hasOwn(at, token)) return null;
    at = (at as Record<string, unknown>)[token];
  }
  if (typeof at === 'object' || at === '') return null;
  return bytes(typeof at === 'string' ? at : JSON.stringify(at));
}

/** As JSON may also be written: escapes where none is needed, white space, numbers otherwise. */
function rewritten(text: string, seed: number): string {
  const random = seededRandom(seed);
  return text.replace(/"(?:[^"\\]|\\.)*"|[,:{}[\]]/g, part => {
    if (part.length === 1) return `${part}${random() < 0.2 ? ' \n\t\r'[Math.floor(random() * 4)] : ''}`;
    return part.replace(/\\.|[\s\S]/g, (char, at: number) => {
      const isPlain =
        char.length === 1 && at > 0 && at < part.length - 1 && !/u[0-9a-f]{0,3}$/.test(part.slice(0, at));
      return isPlain && !part.includes('\\u') && random() < 0.2
        ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
        : char;
    });
  });
}

body('what the scanner finds is what JSON.parse has there', () => {
  let present = 0;
  fc.assert(
    fc.property(value, way, fc.nat(), fc.integer({ min: 1, max: 9 }), (tree, strange, pick, pieceBytes) => {
      const ways = waysOf(tree).filter(each => each.length > 0);
      const pointer = pick % 4 === 0 || ways.length === 0 ? strange : ways[pick % ways.length]!;
      const text = rewritten(JSON.stringify(tree), pick);
      const expected = reference(JSON.parse(text), pointer);
      // Names as bytes: half a pair of surrogates is one and the same to both only where it is not asked for.
      if (pointer.some(token => !token.isWellFormed()) || /\\ud[89a-f]/i.test(text)) return;
      present += expected === null ? 0 : 1;
      const { found } = scan(pointer.map(bytes), Buffer.from(text), pieceBytes);
      assert.is(found, expected, `${JSON.stringify(pointer)} in ${text}`);
    }),
    { numRuns: 20_000, interruptAfterTimeLimit: 20_000 },
  );
  assert.ok(present > 500, `only ${present} were there`);
});

body('what JSON.parse refuses has no value behind the fault, and pieces make no difference', () => {
  const junk = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '0',
    '1',
    '-',
    '.',
    'e',
    '+',
    't',
    'null',
    ' ',
    '\u0000',
    'é',
    '"a"',
    '"a":',
  );
  fc.assert(
    fc.property(fc.array(junk, { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), (parts, pieceBytes) => {
      // The junk is the value of a member before the one that is asked for.
      const inside = parts.join('');
      const text = Buffer.from(`{"x":${inside},"a":5}`);
      const whole = scan(['a'], text, 1000);
      assert.is(scan(['a'], text, pieceBytes).found, whole.found);
      if (whole.found === null) return;
      // Then there is some beginning that is JSON once its brackets are closed.
      const begun = text.subarray(0, text.indexOf('5', text.indexOf('"a":')) + 1).toString();
      const closings = ['}', ']}', '}}', '"}', ''];
      const isJson = closings.some(closing => {
        try {
          return JSON.parse(begun + closing) !== undefined;
        } catch {
          return false;
        }
      });
      assert.ok(isJson || inside.includes('"a":'), `${text}: found ${whole.found}`);
    }),
    { numRuns: 20_000, interruptAfterTimeLimit: 20_000 },
  );
});

body('numbers are written as JSON.stringify writes them, but keep all of their digits', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger()),
      fc.nat(25),
      (number, digits) => {
        const expected = JSON.stringify(number);
        for (const text of [
          expected,
          number.toExponential(),
          Number.isSafeInteger(number) ? number.toFixed(Math.min(20, digits)) : expected,
        ])
          if (/^-?\d/.test(text) && Number(text) === number && Math.abs(number) < 1e21)
            assert.is(canonicalNumber(text), expected, text);
      },
    ),
    { numRuns: 5_000 },
  );
  for (const [text, expected] of [
    ['0', '0'],
    ['-0', '0'],
    ['-0.0e5', '0'],
    ['1.0', '1'],
    ['1e0', '1'],
    ['10E-1', '1'],
    ['100', '100'],
    ['1e2', '100'],
    ['1e21', '1e+21'],
    ['1e20', '100000000000000000000'],
    ['0.000001', '0.000001'],
    ['1e-7', '1e-7'],
    ['12345678901234567890', '12345678901234567890'],
    ['12345678901234567891.0', '12345678901234567891'],
    ['1234567890123456789012345', '1.234567890123456789012345e+24'],
    ['1e400', '1e+400'],
    ['1e999999999999', '1e+999999999999'],
  ] as const)
    assert.is(canonicalNumber(text), expected, text);
});

body('bombs: depth, digits, exponents, zeros and escapes cost what their bytes cost', () => {
  const half = KEPT_BODY_BYTES / 2;
  const depth = (levels: number): Buffer =>
    Buffer.from(`{"x":${'['.repeat(levels)}${']'.repeat(levels)},"a":1}`);
  assert.is(scan(['a'], depth(MAX_DEPTH - 1), 7).found, '1');
  assert.is(scan(['a'], depth(MAX_DEPTH), 7).found, null);
  assert.is(scan(['a'], Buffer.from('['.repeat(KEPT_BODY_BYTES)), 1).read, 1);
  assert.is(scan(['a'], Buffer.from('{"a":'.repeat(half)), 1).read, 6);
  const startedMs = performance.now();
  for (const bomb of [
    `{"a":${'9'.repeat(half)}}`,
    `{"a":0.${'0'.repeat(half)}1}`,
    `{"a":${'1'}${'0'.repeat(half)}.0}`,
    `{"a":1e${'9'.repeat(half)}}`,
    `{"a":0.${'0'.repeat(half)}e9}`,
    `{"a":"${'\\u0041'.repeat(half / 6)}"}`,
    `{"a":"${'\\ud800'.repeat(half / 6)}"}`,
    `{"x":${'[[],'.repeat(5)}${'{},'.repeat(half / 3)}1]]]]],"a":1}`,
  ])
    for (const pieceBytes of [1, KEPT_BODY_BYTES]) {
      const { found } = scan(['a'], Buffer.from(bomb), pieceBytes);
      assert.ok(found !== null, bomb.slice(0, 20));
      assert.ok(found.length <= half + 40);
    }
  assert.ok(performance.now() - startedMs < 20_000);
});

/** Fed in pieces; what it came to, and after how many of them. */
function keyOf(sources: string, pieces: readonly string[], headers: readonly string[] = []) {
  const apart: Buffer[] = [];
  const outcome = keyIn(sources, pieces, headers, apart, piece => apart.push(piece));
  const together = new Pieces();
  const same = keyIn(sources, pieces, headers, together.list, piece => together.add(piece));
  assert.equal({ ...same, pieces: outcome.pieces }, outcome, 'put together');
  return outcome;
}

function keyIn(
  sources: string,
  pieces: readonly string[],
  headers: readonly string[],
  kept: readonly Buffer[],
  add: (piece: Buffer) => void,
) {
  const list = sourcesOf(sources);
  const found = new FoundKey();
  const head = { target: '/path', rawHeaders: headers, ip: '10.0.0.1', host: 'h' };
  const place = findKey(list, head.target, headers, head.ip, head.host, true, found);
  assert.is(place, IN_BODY);
  const key = new BodyKey(list, found.index, head);
  for (const piece of pieces) {
    add(Buffer.from(piece, 'latin1'));
    const now = key.read(kept, false, found);
    if (now !== IN_BODY) return told(now);
  }
  return told(key.read(kept, true, found));

  function told(outcome: number) {
    return {
      place: outcome,
      key: outcome === FOUND ? found.text.slice(found.start, found.end) : '',
      pieces: kept.length,
      source: list[found.index]!.text,
    };
  }
}

body('the next source where the body has none, and no byte read twice for one source', () => {
  const json = ['{"b":', '2,"c"', ':3}', 'never'];
  assert.equal(keyOf('json:/b,path', json), { place: FOUND, key: '2', pieces: 2, source: 'json:/b' });
  assert.equal(keyOf('json:/a,json:/c,path', json), { place: FOUND, key: '3', pieces: 3, source: 'json:/c' });
  assert.equal(keyOf('json:/a,path', json), { place: FOUND, key: '/path', pieces: 3, source: 'path' });
  assert.equal(keyOf('json:/a,random', json), { place: NO_KEY, key: '', pieces: 3, source: 'random' });
  assert.equal(keyOf('json:/a', json), { place: NO_KEY, key: '', pieces: 3, source: 'json:/a' });
  assert.equal(keyOf('json:/a,cookie:sid;issue', json), {
    place: TO_ISSUE,
    key: '',
    pieces: 3,
    source: 'cookie:sid;issue',
  });
  assert.equal(keyOf('json:/a,path', ['', '']), { place: FOUND, key: '/path', pieces: 2, source: 'path' });
  assert.equal(keyOf('json:/a,path', ['no JSON', 'never']), {
    place: FOUND,
    key: '/path',
    pieces: 1,
    source: 'path',
  });
});

body('a prefix ends with its last byte, a shorter body counts whole, an empty one not at all', () => {
  assert.equal(keyOf('body-prefix:4,path', ['ab', 'cde', 'f']), {
    place: FOUND,
    key: 'abcd',
    pieces: 2,
    source: 'body-prefix:4',
  });
  assert.equal(keyOf('body-prefix:9,path', ['ab', 'c']), {
    place: FOUND,
    key: 'abc',
    pieces: 2,
    source: 'body-prefix:9',
  });
  assert.equal(keyOf('body-prefix:9,path', ['']), { place: FOUND, key: '/path', pieces: 1, source: 'path' });
});

body('joined: all parts have to be there, in their order', () => {
  const json = ['{"b":2,', '"c":3}'];
  const headers = ['x-tenant', 'acme'];
  assert.is(keyOf('header:x-tenant+json:/c+path', json, headers).key, 'acme3/path');
  assert.is(keyOf('json:/c+json:/b+body-prefix:4', json).key, '32{"b"');
  assert.is(keyOf('json:/c+json:/a,host', json).key, 'h');
  // Without the header nobody waits for the body.
  assert.equal(keyOf('header:x-tenant+json:/c,path', ['', '']), {
    place: FOUND,
    key: '/path',
    pieces: 1,
    source: 'path',
  });
});

body('no more is read than is kept, however it is cut', () => {
  const filler = `{"x":"${'x'.repeat(KEPT_BODY_BYTES)}","a":1}`;
  for (const pieceBytes of [1000, 4096, 70_000, 200_000]) {
    const pieces = filler.match(new RegExp(`[^]{1,${pieceBytes}}`, 'g'))!;
    assert.is(keyOf('json:/a,path', pieces).key, '/path', `pieces of ${pieceBytes}`);
  }
  const fits = `{"x":"${'x'.repeat(KEPT_BODY_BYTES - 20)}","a":1, ${' '.repeat(KEPT_BODY_BYTES)}`;
  for (const pieceBytes of [1000, 200_000])
    assert.is(keyOf('json:/a,path', fits.match(new RegExp(`[^]{1,${pieceBytes}}`, 'g'))!).key, '1');
  assert.is(
    keyOf(`body-prefix:${KEPT_BODY_BYTES},path`, ['x'.repeat(KEPT_BODY_BYTES + 5)]).key.length,
    KEPT_BODY_BYTES,
  );
});

body('a compressed body and a call of gRPC are not read', () => {
  assert.is(isReadable(['Content-Type', 'application/json', 'Content-Encoding', 'identity']), true);
  assert.is(isReadable(['content-encoding', 'gzip']), false);
  assert.is(isReadable(['Content-Encoding', 'identity', 'CONTENT-ENCODING', 'br']), false);
  assert.is(isReadable(['content-type', 'application/grpc+proto']), false);
});

body.run();
