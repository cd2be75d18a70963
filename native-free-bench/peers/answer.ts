// What the peers that only answer say: a body of 56 B, and to a POST how much came.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';

const body = JSON.stringify({ message: 'Hello from Server: 1', status: 'Successful' }).padEnd(56);
const headers = ['content-type', 'application/json', 'content-length', String(body.length)];

export function answer(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): void {
  const say = (fields: string[]): void => {
    // One method, which the types of the two have apart.
    (response as ServerResponse).writeHead(200, fields);
    response.end(body);
  };
  if (request.method !== 'POST') {
    say(headers);
    return;
  }
  let received = 0;
  request.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  request.on('end', () => say([...headers, 'x-received-bytes', String(received)]));
}
