// Hot: runs per request; a field that stands in a table costs no text, and no field an object.
// HPACK, read (RFC 7541): a block of bytes -> names and values, and what it does to the connection's table. What a block is too
// long for is read to its end all the same, because the blocks behind it build on what it added; only its fields are not
// kept, so that one which unpacks to a hundred times its bytes costs none of them.

import {
  DynamicTable,
  FIELD_OVERHEAD_BYTES,
  STATIC_COUNT,
  STATIC_NAMES,
  STATIC_VALUES,
} from './hpack-table.ts';
import { huffmanDecoded } from './huffman.ts';

/** Larger numbers mean nothing here: lengths and indexes are bounded far below. */
const MOST = 2 ** 24;
const NOTHING = Buffer.alloc(0);

export class HpackDecoder {
  readonly #table = new DynamicTable();
  readonly #mostBytes: number;
  readonly #mostFields: number;
  /** Name, value, name, value, of the last block; used again for the next one. */
  readonly fields: string[] = [];
  /** Of them, as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  bytes = 0;
  /** It had more than may be: `fields` are only some of it. */
  isTooLong = false;
  #block: Buffer = NOTHING;
  #at = 0;
  #end = 0;

  constructor(mostBytes: number, mostFields: number) {
    this.#mostBytes = mostBytes;
    this.#mostFields = mostFields;
  }

  /** False: no HPACK, and nothing that follows on this connection can be read any more. */
  decode(block: Buffer, start: number, end: number): boolean {
    this.#block = block;
    const isWell = this.#decode(start, end);
    // Some are large.
    this.#block = NOTHING;
    return isWell;
  }

  #decode(start: number, end: number): boolean {
    const block = this.#block;
    this.#at = start;
    this.#end = end;
    this.fields.length = 0;
    this.bytes = 0;
    this.isTooLong = false;
    if (!this.#resize()) return false;
    while (this.#at < this.#end) {
      const first = block[this.#at]!;
      let isRead: boolean;
      if (first >= 0x80) isRead = this.#indexed(this.#integer(0x7f));
      else if (first >= 0x40) isRead = this.#literal(this.#integer(0x3f), true);
      // A resize is only allowed before the fields (section 4.2).
      else isRead = first < 0x20 && this.#literal(this.#integer(0x0f), false);
      if (!isRead) return false;
    }
    return true;
  }

  #resize(): boolean {
    while (this.#at < this.#end && (this.#block[this.#at]! & 0xe0) === 0x20) {
      const bytes = this.#integer(0x1f);
      if (bytes === -1 || !this.#table.resize(bytes)) return false;
    }
    return true;
  }

  #indexed(index: number): boolean {
    const at = index - STATIC_COUNT - 1;
    if (index <= 0 || at >= this.#table.count) return false;
    if (at < 0) this.#add(STATIC_NAMES[index]!, STATIC_VALUES[index]!);
    else this.#add(this.#table.name(at), this.#table.value(at));
    return true;
  }

  #literal(index: number, isKept: boolean): boolean {
    const at = index - STATIC_COUNT - 1;
    if (index < 0 || at >= this.#table.count) return false;
    const known = at < 0 ? STATIC_NAMES[index]! : this.#table.name(at);
    const name = index === 0 ? this.#string() : known;
    const value = name === null ? null : this.#string();
    if (name === null || value === null) return false;
    if (isKept) this.#table.add(name, value);
    this.#add(name, value);
    return true;
  }

  #add(name: string, value: string): void {
    this.bytes += name.length + value.length + FIELD_OVERHEAD_BYTES;
    if (this.bytes > this.#mostBytes || this.fields.length === 2 * this.#mostFields) this.isTooLong = true;
    else this.fields.push(name, value);
  }

  /** -1 where it is none. `mask` are the bits of the first byte that are its (section 5.1). */
  #integer(mask: number): number {
    const block = this.#block;
    let value = block[this.#at++]! & mask;
    if (value < mask) return value;
    for (let scale = 1; this.#at < this.#end && value < MOST; scale *= 128) {
      // Zeros for ever would be a number too.
      if (scale > MOST) return -1;
      const byte = block[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return -1;
  }

  #string(): string | null {
    if (this.#at >= this.#end) return null;
    const isHuffman = this.#block[this.#at]! >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    if (length === -1 || length > this.#end - start) return null;
    this.#at += length;
    return isHuffman
      ? huffmanDecoded(this.#block, start, this.#at)
      : this.#block.toString('latin1', start, this.#at);
  }
}
