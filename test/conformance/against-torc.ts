// The conformance suite against one way into torc: every case has to pass.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { type Subject, type SubjectName, startSubject } from './subjects.ts';
import { cases, runCase } from './suite.ts';

/** `atLeast`: so many cases have words in the protocol that it is talked to in. */
export function againstTorc(title: string, subject: SubjectName, atLeast = cases.length): void {
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

  let said = 0;
  for (const each of cases) {
    conformance(`${each.area}: ${each.name} (${each.section})`, async () => {
      if (await runCase(each, { ...torc, origin })) said++;
    });
  }
  conformance(`at least ${atLeast} cases were said`, () => {
    assert.ok(said >= atLeast, `${said} of ${cases.length}`);
  });

  conformance.run();
}
