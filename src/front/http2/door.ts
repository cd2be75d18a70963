// The door of HTTP/2: takes a connection whose client speaks it, by ALPN or by its preface (preface.ts). Each of its streams is
// one exchange, or one control request. Frames, HPACK and windows are torc's own (docs/decisions/0026-own-http2.md); what
// a head may say, retries, time-outs and counting are every door's.

import type { Shared } from '../../exchange/shared.ts';
import type { Client } from '../client.ts';
import type { AdminGateway } from '../control.ts';
import { Http2Connection } from './connection.ts';
import { Requests } from './requests.ts';

export class Http2Door {
  readonly #shared: Shared;
  readonly #admin: AdminGateway;

  constructor(shared: Shared, admin: AdminGateway) {
    this.#shared = shared;
    this.#admin = admin;
  }

  /** Reads the connection from here on, `bytes` first. */
  take(client: Client, bytes: Buffer): void {
    const connection = new Http2Connection(client, new Requests(this.#shared, this.#admin, client));
    client.http2 = connection;
    if (bytes.length > 0) connection.received(bytes);
  }
}
