// CONTRACT.md, "Safe to send again", as a table.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fields } from '../../src/config/fields.ts';
import {
  type FailedAttempt,
  Failures,
  isRepeatable,
  RetryBudget,
  type Verdict,
} from '../../src/exchange/attempt.ts';

const attempt = suite('attempt');
const fine: FailedAttempt = {
  code: 'RESET',
  replica: { isLeaving: false },
  sent: true,
  stale: false,
  idempotent: true,
  replayable: true,
  answered: false,
};
const verdict = (change: Partial<FailedAttempt>, most = 2, failures = new Failures()): Verdict =>
  failures.next({ ...fine, ...change }, most, new RetryBudget(20, 50));

attempt('nothing sent: any method; sent: only idempotent ones', () => {
  assert.is(verdict({}), 'other');
  assert.is(verdict({ idempotent: false }), 'end');
  assert.is(verdict({ idempotent: false, sent: false }), 'other');
});

attempt(
  'never after a head, without the body, beyond the retries, or where another would fail as well',
  () => {
    assert.is(verdict({ answered: true }), 'end');
    assert.is(verdict({ replayable: false }), 'end');
    assert.is(verdict({ replayable: false, sent: false }), 'end');
    assert.is(verdict({}, 0), 'end');
    for (const code of ['RESPONSE_TIMEOUT', 'BAD_RESPONSE', 'BODY_TIMEOUT'] as const)
      assert.is(verdict({ code }), 'end');
    const failures = new Failures();
    assert.equal(
      [1, 2, 3].map(() => verdict({ code: 'REFUSED', sent: false }, 2, failures)),
      ['other', 'other', 'end'],
    );
  },
);

attempt('after a death in its hands a request has one more try, never more', () => {
  const failures = new Failures();
  assert.equal(
    [1, 2].map(() => verdict({}, 5, failures)),
    ['other', 'doubt'],
  );
  assert.is(failures.another(5, new RetryBudget(20, 50)), 'end');
  assert.is(failures.deaths, 2);
  // A connection that ended and nobody behind it: what seemed stale was a death.
  const kept = new Failures();
  assert.equal(
    [
      verdict({ stale: true }, 5, kept),
      verdict({ code: 'REFUSED', sent: false }, 5, kept),
      verdict({ stale: true }, 5, kept),
    ],
    ['same', 'other', 'doubt'],
  );
  assert.is(kept.another(5, new RetryBudget(20, 50)), 'end');
  // Nor does it matter whether the new connection was refused, or made and ended unused.
  const unused = new Failures();
  assert.equal(
    [
      verdict({ stale: true }, 5, unused),
      verdict({ sent: false }, 5, unused),
      verdict({ stale: true }, 5, unused),
    ],
    ['same', 'other', 'doubt'],
  );
  // Nobody there at all is no death of anybody.
  const refused = new Failures();
  assert.equal(
    [1, 2, 3].map(() => verdict({ code: 'REFUSED', sent: false }, 5, refused)),
    ['other', 'other', 'other'],
  );
});

attempt('who was told to stop did not die of it, also where that is heard of later', () => {
  const budget = new RetryBudget(20, 50);
  const failures = new Failures();
  const replica = { isLeaving: false };
  assert.is(verdict({ replica }, 5, failures), 'other');
  assert.is(verdict({}, 5, failures), 'doubt');
  replica.isLeaving = true;
  assert.is(failures.another(5, budget), 'other');
  assert.is(failures.deaths, 1);
  // It is doubted once, and TORC_RETRIES bounds it in any case.
  assert.is(verdict({}, 5, failures), 'end');
  const bounded = new Failures();
  const leaving = { replica: { isLeaving: true } };
  assert.equal(
    [1, 2, 3].map(() => verdict(leaving, 2, bounded)),
    ['other', 'other', 'end'],
  );
});

attempt('a stale connection: the same replica once more, once, and it is no retry', () => {
  const failures = new Failures();
  assert.is(verdict({ stale: true }, 1, failures), 'same');
  assert.is(verdict({ stale: true }, 1, failures), 'other');
  assert.is(verdict({ stale: true }, 1, failures), 'doubt');
  assert.is(failures.another(1, new RetryBudget(20, 50)), 'end');
  assert.is(verdict({ stale: true, idempotent: false }), 'end');
  assert.is(verdict({ stale: true, answered: true }), 'end');
});

/** How many first retries pass. */
function taken(budget: RetryBudget, tries: number): number {
  let count = 0;
  for (let i = 0; i < tries; i++) if (budget.take(true)) count++;
  return count;
}

attempt('the budget: a burst, then a share of the requests, and always 3 at once', () => {
  const budget = new RetryBudget(20, 50);
  // 3 more than the burst: those that may always be on a retry; here they are the last of 53 that have not ended.
  assert.is(taken(budget, 100), 50);
  for (let i = 0; i < 50; i++) budget.end();
  assert.is(taken(budget, 100), 3);
  for (let i = 0; i < 3; i++) budget.end();
  for (let i = 0; i < 100; i++) budget.deposit();
  assert.is(taken(budget, 100), 20);
});

attempt('the budget is never more than the burst; a share of 0 leaves the 3', () => {
  const budget = new RetryBudget(20, 10);
  for (let i = 0; i < 10_000; i++) budget.deposit();
  assert.is(taken(budget, 100), 10);
  const none = new RetryBudget(0, 10);
  none.deposit();
  assert.is(taken(none, 100), 3);
});

attempt('by its method, or by a key that the client gave it', () => {
  const methods = fields.retryMethods.schema.parse(fields.retryMethods.fallback);
  const head = 'X /a HTTP/1.1\r\nHost: b\r\n';
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])
    assert.ok(isRepeatable(method, head, methods));
  for (const method of ['POST', 'PATCH', 'LOCK', 'get', '']) assert.not(isRepeatable(method, head, methods));
  assert.ok(isRepeatable('POST', head, ['POST']));
  for (const field of ['Idempotency-Key: "8e03"', 'idempotency-key:x', 'IDEMPOTENCY-KEY:  y'])
    assert.ok(isRepeatable('POST', `${head}${field}\r\n\r\n`, methods), field);
  for (const field of [
    'Idempotency-Key: ',
    'Idempotency-Key:',
    'X-Idempotency-Key: a',
    'a: idempotency-key: b',
  ])
    assert.not(isRepeatable('POST', `${head}${field}\r\n\r\n`, methods), field);
  assert.not(isRepeatable('POST', `${head}\r\nbody\r\nidempotency-key: a\r\n\r\n`, methods), 'a body');
});

attempt.run();
