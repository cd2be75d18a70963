// Hot with `TORC_RING=nginx`: runs per request; allocates nothing, slices nothing.
// CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320) over characters that stand for one byte each, as the data plane
// reads a request. Our own, because node:zlib's wants a Buffer: a slice and a copy for every key.

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  return value;
});

/** The register after one more byte; it begins as -1, and the checksum is its complement. */
export const crc32Step = (register: number, byte: number): number =>
  TABLE[(register ^ byte) & 0xff]! ^ (register >>> 8);

/** As an int32. */
export function crc32(text: string, start: number, end: number): number {
  let register = -1;
  for (let index = start; index < end; index++) register = crc32Step(register, text.charCodeAt(index));
  return ~register;
}
