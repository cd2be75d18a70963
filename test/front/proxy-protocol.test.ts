// PROXY headers as bytes: whom they tell, cut at every byte, changed in every byte, and at random. The reader is pure, so
// there is no socket here; those are in proxied.test.ts.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32c, MORE, readProxyHeader, WRONG } from '../../src/front/proxy-protocol.ts';
import { binary, checked, LOCAL, line, PROXY, tcp4, tcp6, tlv } from '../support/proxy-header.ts';

const proxyProtocol = suite('proxy protocol');

const right: ReadonlyArray<readonly [string, Buffer, string]> = [
  ['v1 TCP4', line('TCP4 203.0.113.7 192.0.2.1 56324 443'), '203.0.113.7'],
  ['v1 TCP6', line('TCP6 2001:DB8:0:0::7 ::1 56324 443'), '2001:db8::7'],
  [
    'v1 TCP6, the longest addresses',
    line(`TCP6 ${Array(2).fill(Array(8).fill('ffff').join(':')).join(' ')} 65535 65535`),
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  ],
  ['v1 UNKNOWN', line('UNKNOWN'), ''],
  ['v1 UNKNOWN with addresses', line('UNKNOWN ffff::1 ffff::2 1 2'), ''],
  ['v2 TCP4', binary(PROXY, 0x11, tcp4('203.0.113.7')), '203.0.113.7'],
  ['v2 TCP6', binary(PROXY, 0x21, tcp6('2001:db8:0:0:0:0:0:7')), '2001:db8::7'],
  ['v2 TCP6 of an IPv4 client', binary(PROXY, 0x21, tcp6('0:0:0:0:0:ffff:cb00:7107')), '203.0.113.7'],
  ['v2 unix', binary(PROXY, 0x31, Buffer.alloc(216)), ''],
  ['v2 of no family', binary(PROXY, 0, Buffer.from('whatever')), ''],
  ['v2 LOCAL', binary(LOCAL, 0, Buffer.alloc(0)), ''],
  ['v2 LOCAL of a family nobody knows', binary(LOCAL, 0x77, Buffer.alloc(3)), ''],
  [
    'v2 with TLVs',
    binary(PROXY, 0x11, tcp4('203.0.113.7'), [tlv(1, 'h2'), tlv(4, ''), tlv(0xea, 'x'.repeat(300))]),
    '203.0.113.7',
  ],
  ['v2 with a checksum', checked(PROXY, 0x11, tcp4('203.0.113.7'), [tlv(1, 'h2')]), '203.0.113.7'],
];

const wrong: ReadonlyArray<readonly [string, Buffer]> = [
  ['no header', Buffer.from('GET / HTTP/1.1\r\n')],
  ['a TLS handshake', Buffer.from([0x16, 3, 1, 2, 0])],
  ['v1 of lower case', Buffer.from('proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n')],
  ['v1 with an IPv6 address for TCP4', line('TCP4 ::1 ::1 1 1')],
  ['v1 with an IPv4 address for TCP6', line('TCP6 1.1.1.1 1.1.1.1 1 1')],
  ['v1 with a zone', line('TCP6 fe80::1%eth0 ::1 1 1')],
  ['v1 with a leading zero', line('TCP4 01.1.1.1 1.1.1.1 1 1')],
  ['v1 with a port too high', line('TCP4 1.1.1.1 1.1.1.1 65536 1')],
  ['v1 with a port that begins with 0', line('TCP4 1.1.1.1 1.1.1.1 01 1')],
  ['v1 with two spaces', line('TCP4  1.1.1.1 1.1.1.1 1 1')],
  ['v1 with more behind', line('TCP4 1.1.1.1 1.1.1.1 1 1 1')],
  ['v1 of UDP', line('UDP4 1.1.1.1 1.1.1.1 1 1')],
  ['v1 that ends in LF', Buffer.from('PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n')],
  ['v1 that is too long', line(`UNKNOWN ${'x'.repeat(100)}`)],
  ['v1 without an end', Buffer.from(`PROXY ${'x'.repeat(101)}`)],
  ['v2 of another version', binary(0x11, 0x11, tcp4('1.1.1.1'))],
  ['v2 of another command', binary(0x22, 0x11, tcp4('1.1.1.1'))],
  ['v2 of a datagram', binary(PROXY, 0x12, tcp4('1.1.1.1'))],
  ['v2 without room for addresses', binary(PROXY, 0x11, Buffer.alloc(11))],
  ['v2 that is too long', binary(PROXY, 0x11, tcp4('1.1.1.1'), [tlv(0xea, 'x'.repeat(4070))])],
  ['v2 with a TLV beyond the end', binary(PROXY, 0x11, tcp4('1.1.1.1'), [Buffer.from([1, 0, 9, 1])])],
  ['v2 with half a TLV', binary(PROXY, 0x11, tcp4('1.1.1.1'), [Buffer.from([1, 0])])],
  ['v2 with a wrong checksum', binary(PROXY, 0x11, tcp4('1.1.1.1'), [tlv(3, 'abcd')])],
  ['v2 with a checksum of 3 bytes', binary(PROXY, 0x11, tcp4('1.1.1.1'), [tlv(3, 'abc')])],
];

proxyProtocol('CRC32c of RFC 3720 appendix B.4', () => {
  assert.is(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.is(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.is(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
});

for (const [name, header, address] of right) {
  proxyProtocol(`${name}: is told, whatever follows, and needs every byte`, () => {
    const expected = { bytes: header.length, address };
    for (const rest of ['', 'GET / HTTP/1.1\r\n', 'PROXY ', '\r\n'])
      assert.equal(readProxyHeader(Buffer.concat([header, Buffer.from(rest)])), expected);
    for (let end = 0; end < header.length; end++)
      assert.is(readProxyHeader(header.subarray(0, end)), MORE, `cut at ${end}`);
  });
}

for (const [name, header] of wrong) {
  proxyProtocol(`${name}: is none`, () => {
    assert.is(readProxyHeader(header), WRONG);
    assert.is(readProxyHeader(Buffer.concat([header, Buffer.from('GET / HTTP/1.1\r\n\r\n')])), WRONG);
    // It never was one before, either.
    for (let end = 0; end < header.length; end++) {
      const verdict = readProxyHeader(header.subarray(0, end));
      assert.ok(verdict === MORE || verdict === WRONG);
    }
  });
}

proxyProtocol('a checksum finds each bit that was changed behind the fixed part', () => {
  const header = checked(PROXY, 0x21, tcp6('2001:db8:0:0:0:0:0:7'), [tlv(1, 'h2')]);
  for (let at = 16; at < header.length; at++)
    for (let bit = 0; bit < 8; bit++) {
      const changed = Buffer.from(header);
      changed[at]! ^= 1 << bit;
      // The type of the checksum's own TLV says whether there is one.
      if (at === header.length - 7) continue;
      assert.is(readProxyHeader(changed), WRONG, `bit ${bit} of byte ${at}`);
    }
});

proxyProtocol('anything at all: no throw, no more than the bound, and never before it is whole', () => {
  const prefixed = fc
    .tuple(
      fc.constantFrom(
        '',
        'PROXY ',
        'PROXY TCP4 ',
        'PROXY TCP6 1',
        '\r\n\r\n\0\r\nQUIT\n',
        '\r\n\r\n\0\r\nQUIT\n\x21\x11',
        '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x20',
      ),
      fc.uint8Array({ maxLength: 300 }),
    )
    .map(([start, rest]) => Buffer.concat([Buffer.from(start, 'latin1'), rest]));
  fc.assert(
    fc.property(prefixed, bytes => {
      const header = readProxyHeader(bytes);
      if (header === WRONG) return;
      if (header === MORE) {
        assert.ok(bytes.length < 4096);
        return;
      }
      assert.ok(header.bytes <= bytes.length);
      assert.equal(readProxyHeader(bytes.subarray(0, header.bytes)), header);
      assert.is(readProxyHeader(bytes.subarray(0, header.bytes - 1)), MORE);
    }),
    { numRuns: 20_000, interruptAfterTimeLimit: 20_000 },
  );
});

proxyProtocol.run();
