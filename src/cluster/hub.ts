// The primary's side of control requests: what one relay (a worker's, or that of the listener for the control endpoints
// alone) has under way. Each request is a channel: its body is asked for when its head may have one, its reply is cut
// into pieces, and a piece is sent when the reader has taken the one before, so an answer of megabytes never waits
// whole anywhere for a client that does not read.

import type { AdminChannel, AdminReply, AdminRequest, FromRelay, ToRelay } from '../core/messages.ts';

/** In UTF-16 units; a body that is no longer goes out in one message. */
const PIECE_LENGTH = 32 * 1024;

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
        this.#send({ type: 'admin-chunk', id, chunk, end, pull: false });
      },
    };
    this.#channels.set(id, channel);
    this.#handle(request, channel);
  }

  #reply(id: number, channel: Channel, { status, headers, body, more }: AdminReply): void {
    if (typeof body === 'string' && (more || body.length <= PIECE_LENGTH)) {
      if (!more) this.#channels.delete(id);
      this.#send({ type: 'admin-reply', id, reply: { status, headers, piece: body, more } });
      return;
    }
    channel.pieces = typeof body === 'string' ? piecesOf(body) : body[Symbol.iterator]();
    this.#send({ type: 'admin-reply', id, reply: { status, headers, piece: '', more: true } });
    this.#sendPiece(id, channel);
  }

  #sendPiece(id: number, channel: Channel): void {
    const next = channel.pieces?.next();
    if (next === undefined) return;
    if (next.done === true) this.#channels.delete(id);
    const chunk = next.done === true ? '' : next.value;
    this.#send({ type: 'admin-chunk', id, chunk, end: next.done === true, pull: true });
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

/** Cut so that no pair of surrogates is torn: each piece is encoded on its own. */
function* piecesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + PIECE_LENGTH);
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end--;
    yield text.slice(start, end);
    start = end;
  }
}

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff;
