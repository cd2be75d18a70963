// CONTRACT.md, "Safe to send again", as a table.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isIdempotent, mayTryAgain, withinBudget } from '../../src/proxy/attempt.ts';

const attempt = suite('attempt');
const fine = { sent: true, idempotent: true, replayable: true, answered: false, retries: 0 };

attempt('nothing sent: any method; sent: only idempotent ones', () => {
  assert.is(mayTryAgain(fine, 2), true);
  assert.is(mayTryAgain({ ...fine, idempotent: false }, 2), false);
  assert.is(mayTryAgain({ ...fine, idempotent: false, sent: false }, 2), true);
});

attempt('never after a head, without the body, or beyond the retries', () => {
  assert.is(mayTryAgain({ ...fine, answered: true }, 2), false);
  assert.is(mayTryAgain({ ...fine, replayable: false }, 2), false);
  assert.is(mayTryAgain({ ...fine, replayable: false, sent: false }, 2), false);
  assert.is(mayTryAgain({ ...fine, retries: 2 }, 2), false);
  assert.is(mayTryAgain(fine, 0), false);
});

attempt('the budget is a share of what is in flight, and at least 3', () => {
  assert.is(withinBudget(2, 0, 20), true);
  assert.is(withinBudget(3, 10, 20), false);
  assert.is(withinBudget(19, 100, 20), true);
  assert.is(withinBudget(20, 100, 20), false);
});

attempt('RFC 9110 section 9.2.2', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']) assert.ok(isIdempotent(method));
  for (const method of ['POST', 'PATCH', 'LOCK', 'get', '']) assert.not(isIdempotent(method));
});

attempt.run();
