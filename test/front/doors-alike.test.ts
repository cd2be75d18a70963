// What the doors have in common on odd messages: whoever asks over HTTP/2 gets what a client of HTTP/1.1 gets, in both of its lanes.
// A difference would be a way around whatever stands before or behind torc.

import type { ClientHttp2Session } from 'node:http2';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ask2, http2Client } from '../support/http2.ts';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, get } from '../support/raw.ts';

interface Heard {
  readonly status: number;
  readonly body: string;
}
type Door = (target: string) => Promise<Heard>;

const alike = suite('doors alike');
let origin: Origin;
let torc: TestProxy;
let withoutLane: TestProxy;
let session: ClientHttp2Session;
alike.before(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startProxy([origin.port], { EXPRESS: 'on' });
  withoutLane = await startProxy([origin.port], { EXPRESS: 'off' });
  session = await http2Client(torc.port);
});
alike.before.each(() => {
  origin.requests.length = 0;
});
alike.after(async () => {
  session.destroy();
  await Promise.all([torc.close(), withoutLane.close()]);
  await origin.close();
});

const doors: Record<string, Door> = {
  'the raw lane': target => ask(torc.port, get(target)),
  'node:http': target => ask(withoutLane.port, get(target)),
  'HTTP/2': target => ask2(session, { ':path': target }),
};

for (const [name, door] of Object.entries(doors)) {
  alike(`${name}: a status beyond those that HTTP knows is the replica's word, and goes on`, async () => {
    for (const status of [299, 499, 599, 600, 700, 999]) {
      origin.answer = plain('odd', [], `${status} Odd`);
      const { status: heard, body } = await door('/');
      assert.equal([heard, body], [status, 'odd']);
    }
  });

  alike(`${name}: a target with a fragment is refused`, async () => {
    for (const target of ['/a#b', '/#', '/a?b#c', '/#/../admin']) {
      assert.is((await door(target)).status, 400, target);
      assert.is(origin.requests.length, 0, target);
    }
    origin.answer = plain('hello');
    assert.is((await door('/a%23b')).status, 200);
  });
}

alike.run();
