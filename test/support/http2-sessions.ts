// Connections of HTTP/2 that a client keeps: opened when they are first asked for, and anew when they have ended. Apart from
// http2.ts, so that a client in a process of its own loads nothing else.

import { type ClientHttp2Session, connect } from 'node:http2';

export class Http2Sessions {
  readonly #url: string;
  readonly #sessions: ClientHttp2Session[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  at(index: number): ClientHttp2Session {
    const open = this.#sessions[index];
    if (open !== undefined && !open.closed && !open.destroyed) return open;
    const session = connect(this.#url);
    session.on('error', () => {});
    this.#sessions[index] = session;
    return session;
  }

  destroy(): void {
    for (const session of this.#sessions) session?.destroy();
  }
}
