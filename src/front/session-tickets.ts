// Session tickets (RFC 5077, RFC 8446 section 4.6.1) under keys that all workers have alike, so that a client resumes at
// whichever it comes to. Node's public setTicketKeys knows one key: with the next one all tickets before it are void. So
// its hook for OpenSSL's own callback is used, which Node keeps for its tests: it is told a ticket's key by name, and the last
// keys are still taken. Where a Node has it no more, the newest key alone is.

import { randomFillSync } from 'node:crypto';
import type { SecureContext } from 'node:tls';

const NAME_END = 16;
const HMAC_END = 32;
export const TICKET_KEY_BYTES = 48;
/** A call for randomness costs more than what a ticket takes of it: bytes for a hundred or two at once. */
const POOL_BYTES = 4096;

/**
 * What the hook returns: how it went, the key of the HMAC, that of the cipher, and for a new ticket key name and IV. Node
 * reads all of them whatever the first says, and aborts the process where one is no buffer: any client can send a ticket
 * that nobody knows.
 */
type Verdict = readonly [number, Uint8Array, Uint8Array, Uint8Array, Uint8Array];

const NOTHING = new Uint8Array(16);
const UNKNOWN: Verdict = [0, NOTHING, NOTHING, NOTHING, NOTHING];
const MADE = 1;
/** A ticket is good for one use (RFC 8446 appendix C.4), and the new one is by the newest key. */
const GOOD_AND_RENEWED = 2;

interface Inside {
  enableTicketKeyCallback?(): void;
  onticketkeycallback?: (name: Uint8Array, iv: Uint8Array, isNew: boolean) => Verdict;
  setTicketKeys(keys: Uint8Array): void;
}

/** Cut once, not per ticket. */
interface Key {
  readonly whole: Uint8Array;
  readonly name: Uint8Array;
  readonly hmac: Uint8Array;
  readonly cipher: Uint8Array;
}

export class SessionTickets {
  readonly #pool = new Uint8Array(POOL_BYTES);
  #poolAt = POOL_BYTES;
  /** Newest first. */
  #keys: readonly Key[] = [];
  readonly #onTicket = (name: Uint8Array, iv: Uint8Array, isNew: boolean): Verdict => {
    const key = isNew ? this.#keys[0] : this.#keys.find(key => Buffer.compare(key.name, name) === 0);
    if (key === undefined) return UNKNOWN;
    return [
      isNew ? MADE : GOOD_AND_RENEWED,
      key.hmac,
      key.cipher,
      key.name,
      isNew ? this.#random(iv.length) : iv,
    ];
  };

  /** Never given twice. */
  #random(count: number): Uint8Array {
    if (this.#poolAt + count > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#poolAt = 0;
    }
    // A copy: whoever asked may keep it.
    const bytes = this.#pool.slice(this.#poolAt, this.#poolAt + count);
    this.#poolAt += count;
    return bytes;
  }

  use(keys: readonly Uint8Array[]): void {
    this.#keys = keys.map(whole => ({
      whole,
      name: whole.subarray(0, NAME_END),
      hmac: whole.subarray(NAME_END, HMAC_END),
      cipher: whole.subarray(HMAC_END),
    }));
  }

  /** From now on the context's tickets are under the keys of the time. */
  install(context: SecureContext): void {
    const inside = context.context as Inside;
    if (typeof inside.enableTicketKeyCallback === 'function') {
      inside.onticketkeycallback = this.#onTicket;
      inside.enableTicketKeyCallback();
    } else if (this.#keys[0] !== undefined) inside.setTicketKeys(this.#keys[0].whole);
  }
}
