// The conformance cases over HTTP/2, as far as they are not about HTTP/1.1's bytes: what a replica's answers, its faults and the
// framing of bodies come to is the same in every door.

import { suite } from 'uvu';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { http2Relay, type Relay } from './http2-relay.ts';
import { type Subject, startSubject } from './subjects.ts';
import { cases, runCase } from './suite.ts';

const conformance = suite('conformance by HTTP/2');
let origin: Origin;
let torc: Subject;
let relay: Relay;

conformance.before(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startSubject('torc', origin.port);
  relay = await http2Relay(torc.port);
});
conformance.after(async () => {
  await relay.close();
  await torc.close();
  await origin.close();
});

const AREAS = ['responses', 'faults'];
/** A method that the relay's own parser does not know. */
const UNKNOWN = /\bFROB\b/;

for (const subject of cases) {
  if (!AREAS.includes(subject.area) || UNKNOWN.test(subject.name)) continue;
  conformance(`${subject.area}: ${subject.name} (${subject.section})`, () =>
    runCase(subject, { port: relay.port, scheme: torc.scheme, origin }),
  );
}

conformance.run();
