// The conformance suite against torc: every case has to pass. `compare.ts` runs the same table against nginx and HAProxy.

import { suite } from 'uvu';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { type Subject, startSubject } from './subjects.ts';
import { cases, runCase } from './suite.ts';

const conformance = suite('conformance');
let origin: Origin;
let torc: Subject;

conformance.before(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startSubject('torc', origin.port);
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
