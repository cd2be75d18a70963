// The bodies of /add and /rm: what they say, or the one sentence that says what is wrong with them.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readMembership } from '../../src/admin/payload.ts';

const payload = suite('payload');

payload('n and the names, which may be left out', () => {
  assert.equal(readMembership('{"n":2,"hostnames":["4"]}'), { count: 2, names: ['4'] });
  assert.equal(readMembership('{"n":2}'), { count: 2, names: [] });
});

for (const [body, says] of [
  ['{"n":1,"hostname":["x"]}', 'unknown field "hostname": did you mean hostnames? known are n and hostnames'],
  [
    '{"HostNames":["x"],"n":1}',
    'unknown field "HostNames": did you mean hostnames? known are n and hostnames',
  ],
  ['{"count":1}', 'unknown field "count": known are n and hostnames'],
  ['{"n":1,"__proto__":{}}', 'unknown field "__proto__": known are n and hostnames'],
  [`{"${'a'.repeat(999)}":1}`, `unknown field "${'a'.repeat(80)}...": known are n and hostnames`],
  ['{}', 'n is missing'],
  ['{"n":1.5}', 'n must be a whole number'],
  ['{"n":1,"hostnames":"x"}', 'hostnames must be a list of strings'],
  ['[1]', 'the body must be a JSON object, like {"n":1,"hostnames":["4"]}'],
  ['{n:1}', 'the body must be JSON, like {"n":1,"hostnames":["4"]}'],
] as const)
  payload(`refused: ${body.slice(0, 40)}`, () => assert.is(readMembership(body), says));

payload.run();
