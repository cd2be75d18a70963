// What proxies before torc say about a client, as text: entries with ports, brackets and quotes, Forwarded as its grammar has
// it and as it comes, which hop is the client, and what replicas are told in each style. Over sockets: settings.test.ts and
// request-id.test.ts.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addressIn,
  type ForwardedStyle,
  forwardingLines,
  hopsOf,
  parseForwarded,
  type Sender,
  type Told,
} from '../../src/exchange/forwarded.ts';

const forwarded = suite('forwarded');

for (const [entry, address] of [
  ['1.2.3.4', '1.2.3.4'],
  [' 1.2.3.4:80 ', '1.2.3.4'],
  ['2001:db8::1', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['"[2001:db8::1]:4711"', '2001:db8::1'],
  ['::ffff:1.2.3.4', '1.2.3.4'],
  ['unknown', 'unknown'],
  ['_hidden:80', '_hidden:80'],
  ['1.2.3.4:', '1.2.3.4:'],
  ['', ''],
] as const)
  forwarded(`the address in '${entry}'`, () => assert.is(addressIn(entry), address));

const addressesIn = (text: string): string[] | null => parseForwarded(text)?.map(hop => hop.address) ?? null;

for (const [text, addresses] of [
  ['for=192.0.2.43', ['192.0.2.43']],
  ['For="[2001:db8:cafe::17]:4711"', ['2001:db8:cafe::17']],
  ['for=192.0.2.60;proto=http;by=203.0.113.43', ['192.0.2.60']],
  ['for=192.0.2.43, for=198.51.100.17', ['192.0.2.43', '198.51.100.17']],
  ['for=_hidden,for=unknown , proto=https', ['_hidden', 'unknown', '']],
  ['for="a\\"b";x="c,d;e"', ['a"b']],
  [', ,for=1.1.1.1,', ['1.1.1.1']],
  ['for=1.1.1.1:80; proto=https', ['1.1.1.1']],
  ['', []],
  ['for', null],
  ['for=', null],
  ['for="1.1.1.1', null],
  ['for=1.1.1.1;', null],
  ['for=1.1.1.1;for=2.2.2.2', null],
  ['for=1.1.1.1 proto=http', null],
  ['for=1.1.1.1, for="', null],
  ['=1', null],
] as const)
  forwarded(`Forwarded: ${text}`, () => assert.equal(addressesIn(text), addresses));

const told = (over: Partial<Told> = {}): Told => ({ for: '', proto: '', host: '', forwarded: '', ...over });
const sender = (style: ForwardedStyle, over: Partial<Sender> = {}): Sender => ({
  ip: '10.0.0.1',
  trusted: true,
  scheme: 'http',
  fields: '',
  rules: {
    passesUnderscores: false,
    forwarded: style,
    requestId: '',
    isTrusted: address => address.startsWith('10.'),
  },
  ...over,
});
const linesOf = (style: ForwardedStyle, what: Told, over: Partial<Sender> = {}): string[] =>
  forwardingLines(sender(style, over), what, 'in.test:81').split('\r\n').slice(0, -1);

forwarded('nothing was told: the sender is the client, in each style', () => {
  const x = ['X-Forwarded-For: 10.0.0.1', 'X-Forwarded-Proto: http', 'X-Forwarded-Host: in.test:81'];
  const standard = ['Forwarded: for=10.0.0.1;proto=http;host="in.test:81"'];
  assert.equal(linesOf('x', told()), x);
  assert.equal(linesOf('standard', told()), standard);
  assert.equal(linesOf('both', told()), [...x, ...standard]);
});

forwarded(
  'Forwarded as X-Forwarded-*: scheme and host are those that the client used, not what it made up before',
  () => {
    const lie = 'for=6.6.6.6;proto=ftp;host=evil.test';
    const what = told({
      forwarded: `${lie}, for="[2001:db8::7]:99";proto=https;host=shop.test, for=10.0.0.9;proto=http`,
    });
    assert.equal(linesOf('x', what), [
      'X-Forwarded-For: 6.6.6.6, 2001:db8::7, 10.0.0.9, 10.0.0.1',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: shop.test',
    ]);
    assert.equal(linesOf('standard', what), [
      `Forwarded: ${what.forwarded}, for=10.0.0.1;proto=http;host="in.test:81"`,
    ]);
  },
);

forwarded('X-Forwarded-* as Forwarded (RFC 7239 section 7.4)', () => {
  const what = told({ for: '2001:db8::7, 10.0.0.9:80', proto: 'https', host: 'shop.test' });
  assert.equal(linesOf('standard', what), [
    'Forwarded: for="[2001:db8::7]";proto=https;host=shop.test, for=10.0.0.9, for=10.0.0.1;proto=http;host="in.test:81"',
  ]);
  assert.equal(linesOf('x', what), [
    'X-Forwarded-For: 2001:db8::7, 10.0.0.9:80, 10.0.0.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: shop.test',
  ]);
  assert.equal(linesOf('standard', told({ proto: 'https' })), [
    'Forwarded: proto=https, for=10.0.0.1;proto=http;host="in.test:81"',
  ]);
});

forwarded('both were told: X-Forwarded-For counts, Forwarded may be what the client sent', () => {
  const what = told({ for: '1.1.1.1', forwarded: 'for=6.6.6.6;proto=ftp;host=evil.test' });
  assert.equal(linesOf('both', what), [
    'X-Forwarded-For: 1.1.1.1, 10.0.0.1',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: in.test:81',
    'Forwarded: for=1.1.1.1, for=10.0.0.1;proto=http;host="in.test:81"',
  ]);
});

forwarded('one that cannot be read says nothing', () => {
  const what = told({ forwarded: 'for=1.1.1.1;proto=https, for="' });
  assert.equal(linesOf('both', what), linesOf('both', told()));
});

forwarded('who comes through a unix socket has no address', () => {
  assert.equal(linesOf('both', told({ for: '1.1.1.1' }), { ip: '' }), [
    'X-Forwarded-For: 1.1.1.1',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: in.test:81',
    'Forwarded: for=1.1.1.1, for=unknown;proto=http;host="in.test:81"',
  ]);
  assert.equal(linesOf('x', told(), { ip: '' })[0], 'X-Forwarded-Proto: http');
});

forwarded('whatever is told: no line but torc’s own, and what is written can be read', () => {
  const text = fc.string({ unit: fc.constantFrom(...'for=proto;host,"\\ \t[]:_1a.\xe9'), maxLength: 60 });
  fc.assert(
    fc.property(text, text, text, text, (chain, proto, host, standard) => {
      const what = told({ for: chain.trim(), proto: proto.trim(), host: host.trim(), forwarded: standard });
      const lines = linesOf('both', what);
      assert.ok(lines.every(line => /^(?:X-Forwarded-(?:For|Proto|Host)|Forwarded): [^\r\n]+$/.test(line)));
      const hops = parseForwarded(lines.at(-1)!.slice('Forwarded: '.length));
      assert.is(hops?.at(-1)?.address, '10.0.0.1', lines.at(-1));
      assert.ok(hops!.length > hopsOf(what.for, what.forwarded).length);
    }),
    { numRuns: 20_000, interruptAfterTimeLimit: 20_000 },
  );
});

forwarded.run();
