// The header that a proxy of TCP sends before the client's first byte, to say who that is: the PROXY protocol, version 1 (a
// line of text) and 2 (binary). Pure: bytes -> how long the header is and whom it tells, that more is to come, or that this is
// none. It is read strictly: whoever may send it speaks for others, so a guess would be somebody else's address. https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt

import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Nothing to say yet. */
export const MORE = 0;
export const WRONG = -1;

export interface ProxyHeader {
  readonly bytes: number;
  /** Who the client is; '' where it is the proxy itself, or the proxy does not know. */
  readonly address: string;
}

/** Section 2.1: the longest line, with its CRLF. */
const MAX_LINE_BYTES = 107;
/** Addresses are 216 bytes at most, the rest are TLVs; nginx takes as many. */
const MAX_BINARY_BYTES = 4096;
const LINE_START = Buffer.from('PROXY ', 'latin1');
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const FIXED_BYTES = 16;
const LF = 10;
const LOCAL = 0x20;
const PROXY = 0x21;
const CRC32C = 0x03;

/** Of the family and transport of section 2.2 that come over a stream: bytes of both addresses and ports. */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 17: 12, 33: 36, 49: 216 };

export function readProxyHeader(bytes: Buffer): ProxyHeader | typeof MORE | typeof WRONG {
  if (isPrefix(bytes, SIGNATURE)) return bytes.length < FIXED_BYTES ? MORE : readBinary(bytes);
  if (isPrefix(bytes, LINE_START)) return readLine(bytes);
  return WRONG;
}

/** As far as both go. */
function isPrefix(bytes: Buffer, of: Buffer): boolean {
  const length = Math.min(bytes.length, of.length);
  return bytes.compare(of, 0, length, 0, length) === 0;
}

const LINE = /^PROXY (TCP4|TCP6) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})\r\n$/;

function readLine(bytes: Buffer): ProxyHeader | typeof MORE | typeof WRONG {
  const end = bytes.subarray(0, MAX_LINE_BYTES).indexOf(LF) + 1;
  if (end === 0) return bytes.length < MAX_LINE_BYTES ? MORE : WRONG;
  const line = bytes.toString('latin1', 0, end);
  // What follows UNKNOWN is to be ignored.
  if (/^PROXY UNKNOWN(?: [^\r\n]*)?\r\n$/.test(line)) return { bytes: end, address: '' };
  const [, family, source = '', destination = '', from, to] = LINE.exec(line) ?? [];
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6;
  if (!isAddress(source) || !isAddress(destination) || Number(from) > 65535 || Number(to) > 65535)
    return WRONG;
  return { bytes: end, address: canonical(source) };
}

function readBinary(bytes: Buffer): ProxyHeader | typeof MORE | typeof WRONG {
  const command = bytes[12]!;
  const family = bytes[13]!;
  const end = FIXED_BYTES + bytes.readUInt16BE(14);
  if ((command !== LOCAL && command !== PROXY) || end > MAX_BINARY_BYTES) return WRONG;
  const isKnown = family === 0 || ADDRESS_BYTES[family] !== undefined;
  const tlvsAt = FIXED_BYTES + (ADDRESS_BYTES[family] ?? 0);
  if (command === PROXY && (!isKnown || tlvsAt > end)) return WRONG;
  if (bytes.length < end) return MORE;
  // Of the proxy's own connections, and of a family that it does not say, all that follows is to be skipped.
  if (command === LOCAL || family === 0) return { bytes: end, address: '' };
  if (!areTlvsRight(bytes.subarray(0, end), tlvsAt)) return WRONG;
  return { bytes: end, address: addressAt(bytes, family) };
}

function addressAt(bytes: Buffer, family: number): string {
  if (family === 0x11) return bytes.subarray(FIXED_BYTES, FIXED_BYTES + 4).join('.');
  if (family === 0x31) return '';
  return canonicalOf(new ipaddr.IPv6([...bytes.subarray(FIXED_BYTES, FIXED_BYTES + 16)]));
}

/** Each is whole, and a checksum is that of the header whose checksum is zero (section 2.2.4). */
function areTlvsRight(header: Buffer, from: number): boolean {
  let at = from;
  while (at < header.length) {
    if (at + 3 > header.length) return false;
    const valueAt = at + 3;
    const end = valueAt + header.readUInt16BE(at + 1);
    if (end > header.length) return false;
    if (header[at] === CRC32C && !isChecksumRight(header, valueAt, end)) return false;
    at = end;
  }
  return true;
}

function isChecksumRight(header: Buffer, at: number, end: number): boolean {
  if (end - at !== 4) return false;
  const blank = Buffer.from(header);
  blank.fill(0, at, end);
  return crc32c(blank) === header.readUInt32BE(at);
}

/** As sockets write theirs, so that one client is one text. */
const canonical = (address: string): string =>
  address.includes(':') ? canonicalOf(ipaddr.IPv6.parse(address)) : address;

const canonicalOf = (address: ipaddr.IPv6): string =>
  address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String();

const CASTAGNOLI = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** RFC 3720 appendix B.4; zlib's is another polynomial. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CASTAGNOLI[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}
