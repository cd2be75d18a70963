// Hot: runs per request; one object more only where the key is in a body, or a client gets a cookie.
// What an exchange is routed by, between the head that was read and the first attempt. The key mostly stands in the head and
// the attempt begins in the same turn; a key in the body (json:, body-prefix:) is waited for with the bytes that the upload
// keeps for another attempt anyway, and the attempt begins with the byte that completes it, not with the body's last.
// A client without the cookie that TORC_KEY says torc issues is routed by a new one, which goes out with the answer.

import { BodyKey, isReadable } from '../routing/body-key.ts';
import { FOUND, FoundKey, findKey, IN_BODY, type Place, TO_ISSUE } from '../routing/key.ts';
import { ownerOf } from '../routing/snapshot.ts';
import { Attempts } from './attempts.ts';
import type { Downstream } from './downstream.ts';
import type { RequestHead } from './headers.ts';
import { IssuedCookie } from './issued-cookie.ts';
import type { Shared } from './shared.ts';
import { READING } from './waits.ts';

// Filled and read within one call: no two requests are ever in it at once.
const foundKey = new FoundKey();

export abstract class Keyed extends Attempts {
  protected readonly downstream: Downstream;
  protected keyText = '';
  protected keyStart = 0;
  /** -1 where there is no key. */
  protected keyEnd = -1;
  #cookie: IssuedCookie | null = null;

  constructor(shared: Shared, downstream: Downstream, method: string, upgrade: string) {
    super(shared, method, upgrade);
    this.downstream = downstream;
  }

  /** Its head is known, and its upload where there is one: finds the key, and makes the first attempt when it has it. */
  protected route(head: RequestHead, rawHeaders: readonly string[], address: string): void {
    const sources = this.config.key;
    const { host, body } = head;
    const hasBody = this.upload !== null || body !== '';
    let place = findKey(sources, this.path, rawHeaders, address, host, hasBody, foundKey);
    if (place === IN_BODY && !isReadable(rawHeaders))
      place = findKey(sources, this.path, rawHeaders, address, host, false, foundKey);
    if (place === IN_BODY) {
      const asked = { target: this.path, rawHeaders, ip: address, host };
      const key = new BodyKey(sources, foundKey.index, asked);
      if (this.upload !== null) {
        this.upload.key = key;
        this.#wait();
        return;
      }
      place = key.read([Buffer.from(body, 'latin1')], true, foundKey);
    }
    this.#begin(place, rawHeaders);
  }

  /** For the body: a client that was going to wait for the replica's word is told to send it by torc. */
  #wait(): void {
    this.phase = READING;
    this.dueIn(this.config.idleTimeoutMs);
    if (!this.downstream.waitsForContinue) return;
    this.downstream.putContinue();
    this.head = this.head.replace(/\r\nexpect:[^\r]*/gi, '');
  }

  override requestData(chunk: Buffer): void {
    super.requestData(chunk);
    if (this.phase === READING) this.#readBody();
  }

  override requestEnded(): void {
    super.requestEnded();
    if (this.phase === READING) this.#readBody();
  }

  #readBody(): void {
    if (this.isFinished) return;
    this.dueIn(this.config.idleTimeoutMs);
    const { key, kept, ended } = this.upload!;
    const place = key!.read(kept, ended, foundKey);
    if (place === IN_BODY) return;
    this.upload!.key = null;
    this.#begin(place, key!.head.rawHeaders);
  }

  #begin(place: Place, rawHeaders: readonly string[]): void {
    const { shared } = this;
    this.snapshot = shared.snapshots.current;
    if (place === TO_ISSUE) {
      const [part] = this.config.key[foundKey.index]!.parts;
      this.#cookie = new IssuedCookie(part!, this.downstream.isSecure(rawHeaders), shared.random);
      foundKey.set(this.#cookie.value, 0, this.#cookie.value.length);
    }
    if (place === FOUND || place === TO_ISSUE) {
      const { text, start, end } = foundKey;
      this.keyText = text;
      this.keyStart = start;
      this.keyEnd = end;
      this.hash = this.snapshot.keyHash(text, start, end);
      shared.counters.hotKeys?.count(this.hash, text, start, end);
    } else {
      this.hash = (shared.random() * 0x1_0000_0000) >>> 0;
      this.keyStart = this.hash;
      shared.counters.hotKeys?.countKeyless();
    }
    this.attempt('NO_REPLICA', 'no slot is ready');
  }

  protected override rehash(): void {
    if (this.keyEnd !== -1) this.hash = this.snapshot.keyHash(this.keyText, this.keyStart, this.keyEnd);
  }

  /** The lines that give the client its cookie; `fields` are the replica's. */
  protected cookieLines(fields: string): string {
    if (this.#cookie === null) return '';
    const { keyHash } = this.snapshot;
    return this.#cookie.lines(
      fields,
      value => ownerOf(this.snapshot, keyHash(value, 0, value.length)) === this.slot,
    );
  }
}
