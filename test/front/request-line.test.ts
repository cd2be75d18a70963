// A request line that node:http's parser refuses is read a second time by another parser (src/front/request-line.ts); what
// that costs must go with the connection. That such requests are served is in test/conformance/forwarding.ts.

import { Socket } from 'node:net';
import { queryObjects } from 'node:v8';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { plain, rawOrigin } from '../support/origin.ts';
import { startProxy } from '../support/proxy.ts';
import { ask, get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const requestLine = suite('request line');

for (const [name, request] of [
  ['an unknown method', 'FROB /a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['another version', 'GET /a HTTP/1.2\r\nHost: a\r\n\r\n'],
  ['an upgrade that is refused', get('/a', ['Connection: Upgrade', 'Upgrade: x'])],
] as const) {
  requestLine(`${name} leaves nothing behind`, async () => {
    const origin = await rawOrigin(plain('hello'));
    const torc = await startProxy([origin.port]);
    const before = queryObjects(Socket, { format: 'count' });
    for (let round = 0; round < 40; round++) assert.is((await ask(torc.port, request)).body, 'hello');
    await waitFor(() => queryObjects(Socket, { format: 'count' }) - before < 20, {
      timeoutMs: 5000,
      what: 'the sockets to be collected',
    });
    await torc.close();
    await origin.close();
  });
}

requestLine('what a body ends with is no method of what follows it', async () => {
  const origin = await rawOrigin(plain('hello'));
  const torc = await startProxy([origin.port]);
  try {
    // TRACE, OPTIONS, PUT and others begin with these: the parser gives up at the space that follows either way.
    for (const end of ['T', 'PU', 'O', 'DELET', 'x']) {
      for (const head of ['Content-Length', 'X-Other: 1\r\nContent-Length']) {
        const client = await rawClient(torc.port);
        const body = `body${end}`;
        client.send(`POST /a HTTP/1.1\r\nHost: a\r\n${head}: ${body.length}\r\n\r\n`);
        // In a packet of its own with what follows, as behind a slow client.
        await new Promise(resolve => setTimeout(resolve, 20));
        client.send(`${body} /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
        assert.is((await client.answer()).status, 200);
        assert.is((await client.answer()).status, 400, end);
        await client.gone();
      }
    }
    assert.equal([...new Set(origin.requests.map(({ target }) => target))], ['/a']);
  } finally {
    await torc.close();
    await origin.close();
  }
});

requestLine.run();
