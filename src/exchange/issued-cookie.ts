// The cookie that torc gives a client that has none (`cookie:NAME;issue` in TORC_KEY): the key of its first request and of all
// that follow. It names no replica, as HAProxy's does: it is a key like any other, whose home outlives replicas and restarts
// of torc. A first request that was served away from home (a slot was out, full or died) draws another cookie, one whose home
// is where it was served: so a client stays where its first request went. Random, not secret: it says where, never who.
//
// It goes out with a replica's answer only, as Envoy's does: an answer of torc's own came from nowhere to stay at. With it
// goes `Cache-Control: private`, as HAProxy's `nocache` has it, or one shared cache would hand one client's cookie to all. A
// replica that sets the same cookie has its way.

import type { KeyPart } from '../config/fields.ts';
import type { Random } from '../core/random.ts';

/** 36^20 is 103 bits. */
const LENGTH = 20;
/** A slot of a thousandth of the keys is found as a rule; else the client is at home elsewhere. */
const MOST_DRAWS = 2000;

export class IssuedCookie {
  value: string;
  readonly #name: string;
  readonly #attributes: string;
  readonly #random: Random;

  constructor({ name, size }: KeyPart, isSecure: boolean, random: Random) {
    this.#name = name;
    this.#random = random;
    const maxAge = size === 0 ? '' : `; Max-Age=${size}`;
    this.#attributes = `; Path=/${maxAge}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
    this.value = this.#draw();
  }

  /** `fields` are the replica's; `isHome`: requests with such a cookie go to whoever answered this one. */
  lines(fields: string, isHome: (value: string) => boolean): string {
    if (this.#isIn(fields)) return '';
    let value = this.value;
    for (let draws = 0; draws < MOST_DRAWS && !isHome(value); draws++) value = this.#draw();
    return `Set-Cookie: ${this.#name}=${value}${this.#attributes}\r\nCache-Control: private\r\n`;
  }

  #isIn(fields: string): boolean {
    const start = `${this.#name}=`;
    return fields
      .split('\r\n')
      .some(
        line => /^set-cookie:/i.test(line) && line.slice('set-cookie:'.length).trimStart().startsWith(start),
      );
  }

  #draw(): string {
    let drawn = '';
    while (drawn.length < LENGTH) drawn += Math.floor(this.#random() * 36).toString(36);
    return drawn;
  }
}
