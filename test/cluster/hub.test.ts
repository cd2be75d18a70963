// Places for long answers: so many of one relay at once, the next is told to come back, and one that was read or given
// up makes room. Plain data in and out.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AdminHub } from '../../src/cluster/hub.ts';
import type { AdminReply, ToRelay } from '../../src/core/messages.ts';

const hub = suite('cluster/hub');

const MOST_LONG = 16;
const PIECE = 'x'.repeat(64 * 1024);
const long = (pieces: number): AdminReply => ({
  status: 200,
  headers: {},
  body: Array.from({ length: pieces }, () => PIECE),
  more: false,
});

/** A hub whose every request is answered with `reply`. */
function answering(reply: () => AdminReply) {
  const sent: ToRelay[] = [];
  const made = new AdminHub(
    (_request, channel) => channel.reply(reply()),
    message => void sent.push(message),
  );
  return {
    hub: made,
    ask(id: number): number {
      const request = {
        method: 'GET',
        target: '/',
        rawHeaders: [],
        peer: '',
        isTold: false,
        listener: '127.0.0.1',
        hasBody: false,
        isHttp11: true,
      };
      made.onMessage({ type: 'admin', id, request });
      const last = sent.at(-1);
      return last?.type === 'admin-reply' ? last.reply.status : 0;
    },
    sent,
  };
}

hub('sixteen long answers have a place; one that is read to its end, or given up, leaves it', () => {
  const under = answering(() => long(2));
  for (let id = 0; id < MOST_LONG; id++) assert.is(under.ask(id), 200);
  assert.is(under.ask(100), 503);
  under.hub.onMessage({ type: 'admin-pull', id: 3 });
  assert.is(under.ask(101), 503, 'it may have more');
  under.hub.onMessage({ type: 'admin-pull', id: 3 });
  assert.equal(under.sent.at(-1), { type: 'admin-chunk', id: 3, chunk: '', end: true });
  assert.is(under.ask(102), 200, 'read');
  assert.is(under.ask(103), 503);
  under.hub.onMessage({ type: 'admin-cancel', id: 4 });
  assert.is(under.ask(104), 200, 'given up');
});

hub('short answers need no place', () => {
  let reply = long(2);
  const under = answering(() => reply);
  for (let id = 0; id < MOST_LONG; id++) under.ask(id);
  reply = { ...reply, body: ['short'] };
  for (let id = 100; id < 200; id++) assert.is(under.ask(id), 200);
});

hub.run();
