// The conformance suite against torc through TLS: what is said on a connection means the same behind a handshake, in every
// lane, so each case has to pass as it does on the plain port.

import { suite } from 'uvu';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { type Subject, startSubject } from './subjects.ts';
import { cases, runCase } from './suite.ts';

const conformance = suite('conformance by HTTPS');
let origin: Origin;
let torc: Subject;

conformance.before(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startSubject('torc by https', origin.port);
});
conformance.after(async () => {
  await torc.close();
  await origin.close();
});

for (const subject of cases) {
  conformance(`${subject.area}: ${subject.name} (${subject.section})`, () =>
    runCase(subject, { port: torc.port, scheme: torc.scheme, origin }),
  );
}

conformance.run();
