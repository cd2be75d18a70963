// The conformance suite against one way into torc: every case has to pass.

import { suite } from 'uvu';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { type Subject, startSubject } from './subjects.ts';
import { cases, runCase } from './suite.ts';

/** `subject`: a name of subjects.ts. */
export function againstTorc(title: string, subject: Parameters<typeof startSubject>[0]): void {
  const conformance = suite(title);
  let origin: Origin;
  let torc: Subject;

  conformance.before(async () => {
    origin = await rawOrigin(plain('hello'));
    torc = await startSubject(subject, origin.port);
  });
  conformance.after(async () => {
    await torc.close();
    await origin.close();
  });

  for (const each of cases) {
    conformance(`${each.area}: ${each.name} (${each.section})`, () =>
      runCase(each, { port: torc.port, scheme: torc.scheme, origin }),
    );
  }

  conformance.run();
}
