// CONTRACT.md, "Safe to send again", as a table.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isIdempotent, mayTryAgain, RetryBudget } from '../../src/proxy/attempt.ts';

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

attempt('RFC 9110 section 9.2.2', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']) assert.ok(isIdempotent(method));
  for (const method of ['POST', 'PATCH', 'LOCK', 'get', '']) assert.not(isIdempotent(method));
});

attempt.run();
