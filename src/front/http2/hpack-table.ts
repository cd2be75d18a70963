// The two tables of HPACK (RFC 7541 section 2.3): fields that everybody knows, and those that one side of a connection has had
// added, the newest first. An index below 62 is the static table's. Entries are whole strings that are made once, so a field
// that a client names by its index costs no text.

/** By index, from 1 on (appendix A): name=value. */
const ROWS = (
  ':authority=|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|' +
  ':status=200|:status=204|:status=206|:status=304|:status=400|:status=404|:status=500|' +
  'accept-charset=|accept-encoding=gzip, deflate|accept-language=|accept-ranges=|accept=|' +
  'access-control-allow-origin=|age=|allow=|authorization=|cache-control=|content-disposition=|' +
  'content-encoding=|content-language=|content-length=|content-location=|content-range=|' +
  'content-type=|cookie=|date=|etag=|expect=|expires=|from=|host=|if-match=|if-modified-since=|' +
  'if-none-match=|if-range=|if-unmodified-since=|last-modified=|link=|location=|max-forwards=|' +
  'proxy-authenticate=|proxy-authorization=|range=|referer=|refresh=|retry-after=|server=|' +
  'set-cookie=|strict-transport-security=|transfer-encoding=|user-agent=|vary=|via=|' +
  'www-authenticate='
).split('|');

export const STATIC_COUNT = ROWS.length;
const halvesOf = (half: 0 | 1): string[] => ['', ...ROWS.map(row => row.split('=')[half]!)];
export const STATIC_NAMES: readonly string[] = halvesOf(0);
export const STATIC_VALUES: readonly string[] = halvesOf(1);

/** What a field counts for beside its name and value, here and in a list's size (RFC 9113 section 6.5.2). */
export const FIELD_OVERHEAD_BYTES = 32;
/** SETTINGS_HEADER_TABLE_SIZE where nobody says otherwise, and torc does not. */
export const TABLE_BYTES = 4096;
/** No more fit in, each with its overhead. A power of two: the ring's places are masked. */
const PLACES = TABLE_BYTES / FIELD_OVERHEAD_BYTES;

export class DynamicTable {
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  /** The place of the newest, counted on for ever. */
  #newest = -1;
  #count = 0;
  #bytes = 0;
  #mostBytes = TABLE_BYTES;

  get count(): number {
    return this.#count;
  }

  /** `index` begins with 0, the newest, and is below `count`. */
  name(index: number): string {
    return this.#names[(this.#newest - index) & (PLACES - 1)]!;
  }

  value(index: number): string {
    return this.#values[(this.#newest - index) & (PLACES - 1)]!;
  }

  add(name: string, value: string): void {
    const bytes = name.length + value.length + FIELD_OVERHEAD_BYTES;
    this.#keep(this.#mostBytes - bytes);
    // Larger than all of the table: it is empty then (RFC 7541 section 4.4).
    if (bytes > this.#mostBytes) return;
    this.#newest++;
    this.#names[this.#newest & (PLACES - 1)] = name;
    this.#values[this.#newest & (PLACES - 1)] = value;
    this.#count++;
    this.#bytes += bytes;
  }

  /** False: larger than it may be. */
  resize(mostBytes: number): boolean {
    if (mostBytes > TABLE_BYTES) return false;
    this.#mostBytes = mostBytes;
    this.#keep(mostBytes);
    return true;
  }

  /** Lets the oldest go until no more than this is left. */
  #keep(mostBytes: number): void {
    while (this.#bytes > mostBytes && this.#count > 0) {
      const place = (this.#newest - --this.#count) & (PLACES - 1);
      this.#bytes -= this.#names[place]!.length + this.#values[place]!.length + FIELD_OVERHEAD_BYTES;
      this.#names[place] = '';
      this.#values[place] = '';
    }
  }
}
