// The primary's side of control requests: what one relay (a worker's, or that of the listener for the control endpoints
// alone) has under way. Each request is a channel: its body is asked for when its head may have one, its reply is cut
// into pieces, and a piece is sent when the reader has taken the one before, so an answer of megabytes never waits
// whole anywhere for a client that does not read.

import type {
  AdminChannel,
  AdminReply,
  AdminReplyHead,
  AdminRequest,
  FromRelay,
  ToRelay,
} from '../core/messages.ts';

/** In UTF-16 units; a body that is no longer goes out in one message. */
const PIECE_LENGTH = 64 * 1024;
/** Longer answers of one relay at once; many readers of long pages must not keep the primary from its work. */
const MOST_LONG = 16;

interface Channel extends AdminChannel {
  onBody: ((body: string | null) => void) | null;
  pieces: Iterator<string> | null;
}

export type AdminHandler = (request: AdminRequest, channel: AdminChannel) => void;

export class AdminHub {
  readonly #handle: AdminHandler;
  readonly #send: (message: ToRelay) => void;
  readonly #channels = new Map<number, Channel>();

  constructor(handle: AdminHandler, send: (message: ToRelay) => void) {
    this.#handle = handle;
    this.#send = send;
  }

  onMessage(message: FromRelay): void {
    if (message.type === 'admin') {
      this.#begin(message.id, message.request);
      return;
    }
    const channel = this.#channels.get(message.id);
    if (channel === undefined) return;
    if (message.type === 'admin-body') settleBody(channel, message.body);
    else if (message.type === 'admin-pull') this.#sendPiece(message.id, channel);
    else this.#cancel(message.id, channel);
  }

  /** The relay is gone, or about to be: nobody waits for an answer any more. */
  close(): void {
    for (const [id, channel] of this.#channels) this.#cancel(id, channel);
  }

  #begin(id: number, request: AdminRequest): void {
    const channel: Channel = {
      onBody: null,
      pieces: null,
      onCancel: null,
      readBody: () =>
        new Promise(resolve => {
          if (this.#channels.get(id) !== channel) {
            resolve(null);
            return;
          }
          channel.onBody = resolve;
          this.#send({ type: 'admin-ask-body', id });
        }),
      reply: reply => this.#reply(id, channel, reply),
      chunk: (chunk, end) => {
        if (end) this.#channels.delete(id);
        this.#send({ type: 'admin-chunk', id, chunk, end });
      },
    };
    this.#channels.set(id, channel);
    this.#handle(request, channel);
  }

  #reply(id: number, channel: Channel, { status, headers, body, more }: AdminReply): void {
    const pieces = more || typeof body !== 'string' ? null : piecesOf(body);
    channel.pieces = typeof body === 'string' ? pieces : body[Symbol.iterator]();
    const first = channel.pieces === null ? (body as string) : gather(channel.pieces);
    const isLong = channel.pieces !== null && first.length >= PIECE_LENGTH;
    if (isLong && this.#longCount() > MOST_LONG) {
      this.#channels.delete(id);
      this.#send({ type: 'admin-reply', id, reply: tooMany });
      return;
    }
    if (!more && !isLong) this.#channels.delete(id);
    this.#send({ type: 'admin-reply', id, reply: { status, headers, piece: first, more: more || isLong } });
  }

  #sendPiece(id: number, channel: Channel): void {
    if (channel.pieces === null) return;
    const chunk = gather(channel.pieces);
    const end = chunk.length < PIECE_LENGTH;
    if (end) this.#channels.delete(id);
    this.#send({ type: 'admin-chunk', id, chunk, end });
  }

  #longCount(): number {
    let count = 0;
    for (const channel of this.#channels.values()) if (channel.pieces !== null) count++;
    return count;
  }

  #cancel(id: number, channel: Channel): void {
    this.#channels.delete(id);
    settleBody(channel, null);
    channel.onCancel?.();
  }
}

function settleBody(channel: Channel, body: string | null): void {
  const { onBody } = channel;
  channel.onBody = null;
  onBody?.(body);
}

const tooMany: AdminReplyHead = {
  status: 503,
  headers: { 'content-type': 'application/json', 'retry-after': '5' },
  piece: `${JSON.stringify({ message: '<Error> too many long answers at once: try again later', status: 'failure' }, null, 2)}\n`,
  more: false,
};

/** The next piece: shorter than PIECE_LENGTH only at the end. */
function gather(pieces: Iterator<string>): string {
  let text = '';
  while (text.length < PIECE_LENGTH) {
    const next = pieces.next();
    if (next.done === true) break;
    text += next.value;
  }
  return text;
}

/** Cut so that no pair of surrogates is torn: each piece is encoded on its own. */
function* piecesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + PIECE_LENGTH);
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end++;
    yield text.slice(start, end);
    start = end;
  }
}

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff;
