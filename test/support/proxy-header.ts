// PROXY headers for tests, made byte by byte as the specification has them.

import { crc32c } from '../../src/front/proxy-protocol.ts';

export const line = (text: string): Buffer => Buffer.from(`PROXY ${text}\r\n`, 'latin1');

export const tlv = (type: number, value: Buffer | string): Buffer => {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 0xff]), bytes]);
};

export const LOCAL = 0x20;
export const PROXY = 0x21;

export function binary(
  command: number,
  family: number,
  addresses: Buffer,
  tlvs: readonly Buffer[] = [],
): Buffer {
  const rest = Buffer.concat([addresses, ...tlvs]);
  return Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    Buffer.from([command, family, rest.length >> 8, rest.length & 0xff]),
    rest,
  ]);
}

export const tcp4 = (source: string): Buffer =>
  Buffer.from([...source.split('.').map(Number), 192, 0, 2, 1, 0x12, 0x34, 0, 80]);

/** `source` in all its eight groups. */
export const tcp6 = (source: string): Buffer =>
  Buffer.concat([
    Buffer.from(
      source.replace(/[0-9a-f]+:?/g, group => group.replace(':', '').padStart(4, '0')),
      'hex',
    ),
    Buffer.alloc(15),
    Buffer.from([1, 0x12, 0x34, 0, 80]),
  ]);

/** The same with a checksum of it all, which is right. */
export function checked(
  command: number,
  family: number,
  addresses: Buffer,
  tlvs: readonly Buffer[] = [],
): Buffer {
  const blank = binary(command, family, addresses, [...tlvs, tlv(3, Buffer.alloc(4))]);
  blank.writeUInt32BE(crc32c(blank), blank.length - 4);
  return blank;
}
