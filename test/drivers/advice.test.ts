// What the last words of well-known images ask for, in the words to add. The lines are those that the programs print.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { adviceOn } from '../../src/drivers/docker/advice.ts';

const torcs = { User: '', CapAdd: [], CapDrop: ['ALL'] };
const test = suite('advice');

for (const [who, output, capabilities] of [
  [
    'nginx',
    '2026/11/27 09:00:00 [emerg] 1#1: chown("/var/cache/nginx/client_temp", 101) failed (1: Operation not permitted)',
    'CHOWN, SETGID, SETUID',
  ],
  [
    'nginx, its workers',
    'nginx: [emerg] setgid(101) failed (1: Operation not permitted)',
    'CHOWN, SETGID, SETUID',
  ],
  [
    'httpd',
    '(1)Operation not permitted: AH02156: setgid: unable to set group id to Group 33\n[error] AH00136: child pid 8 exit signal',
    'CHOWN, SETGID, SETUID',
  ],
  [
    'postgres',
    "chown: changing ownership of '/var/lib/postgresql/data': Operation not permitted",
    'CHOWN, SETGID, SETUID',
  ],
  [
    'postgres, after that',
    "chmod: changing permissions of '/var/run/postgresql': Operation not permitted",
    'FOWNER',
  ],
  ['gosu', "error: failed switching to 'redis': operation not permitted", 'CHOWN, SETGID, SETUID'],
  ['su-exec', 'su-exec: setgroups: Operation not permitted', 'CHOWN, SETGID, SETUID'],
  ['setpriv', 'setpriv: setresgid failed: Operation not permitted', 'CHOWN, SETGID, SETUID'],
  ['su', 'su: cannot set groups: Operation not permitted', 'CHOWN, SETGID, SETUID'],
  [
    'node',
    "Error: EPERM, Operation not permitted\n    at process.setgid (node:internal/bootstrap/switches:1:1) {\n  code: 'EPERM'\n}",
    'CHOWN, SETGID, SETUID',
  ],
  [
    'a low port in nginx',
    'nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)',
    'NET_BIND_SERVICE',
  ],
  ['a low port in Node', 'Error: listen EACCES: permission denied 0.0.0.0:80', 'NET_BIND_SERVICE'],
  ['a low port in Go', 'listen tcp :443: bind: permission denied', 'NET_BIND_SERVICE'],
  ["another user's folder", 'mkdir() "/var/lib/app/cache" failed (13: Permission denied)', 'DAC_OVERRIDE'],
  ['chroot', 'chroot("/srv") failed: Operation not permitted', 'SYS_CHROOT'],
  ['nothing but the refusal', 'fatal: Operation not permitted', 'CHOWN, SETGID, SETUID'],
  [
    'two at once',
    'chmod: /run: Operation not permitted\nlisten tcp :80: bind: permission denied',
    'FOWNER, NET_BIND_SERVICE',
  ],
] as const) {
  test(`${who}: ${capabilities}`, () => {
    const advice = adviceOn(output, torcs) ?? '';
    assert.ok(advice.includes(`cap_add: [${capabilities}]`), `${output}\n${advice}`);
    assert.ok(advice.includes(`TORC_CAP_ADD=${capabilities.replaceAll(' ', '')}`), advice);
  });
}

for (const [what, output, privileges] of [
  ['an ordinary crash', 'TypeError: x is not a function', torcs],
  ['a request that was refused', 'GET /chown 404 not found', torcs],
  [
    'a user who is not root: files are what is refused',
    'mkdir: Permission denied',
    { ...torcs, User: 'node' },
  ],
  [
    'what was added already',
    'su-exec: setgroups: Operation not permitted',
    { ...torcs, CapAdd: ['cap_chown', 'SETGID', 'SETUID'] },
  ],
  ['ALL was added', 'setgid: Operation not permitted', { ...torcs, CapAdd: ['ALL'] }],
  ['nothing was dropped', 'setgid: Operation not permitted', { ...torcs, CapDrop: [] }],
] as const) {
  test(`no advice on ${what}`, () => assert.is(adviceOn(output, privileges), null));
}

test('root by number and with a group is root', () => {
  for (const User of ['0', 'root', '0:0', 'root:root', ''])
    assert.ok(adviceOn('setgid: Operation not permitted', { ...torcs, User }) !== null, User);
});

test('sudo asks for another thing', () => {
  const said = 'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.';
  assert.match(adviceOn(said, { ...torcs, User: 'node' }) ?? '', /no-new-privileges:false/);
});

test.run();
