// Where state is kept: the platform's place or the configured one, private, and said in one line where it cannot be had.
// Then the lock in it: held by a living torc, not by one of another boot whose pid a stranger has now.

import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { observe } from '../../src/drivers/process/identity.ts';
import { platformRoot, StateDirectory, stateRoot } from '../../src/drivers/state.ts';
import { temporaryState } from '../support/state.ts';

const test = suite('state');

const faultOf = (body: () => unknown): string => {
  try {
    body();
    return 'no fault';
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
};

test("the platform's place", () => {
  const rows: [Parameters<typeof platformRoot>[0], string | null][] = [
    [{ platform: 'linux', user: 7, env: {}, home: '/home/a' }, '/home/a/.local/state/torc'],
    [{ platform: 'linux', user: 7, env: { XDG_STATE_HOME: '/x' }, home: '/home/a' }, '/x/torc'],
    [
      { platform: 'linux', user: 7, env: { XDG_STATE_HOME: 'x' }, home: '/home/a' },
      '/home/a/.local/state/torc',
    ],
    [{ platform: 'linux', user: 0, env: { XDG_STATE_HOME: '/x' }, home: '/root' }, '/var/lib/torc'],
    [{ platform: 'darwin', user: 7, env: {}, home: '/Users/a' }, '/Users/a/Library/Application Support/torc'],
    [{ platform: 'linux', user: 7, env: {}, home: '' }, null],
    [{ platform: 'linux', user: 7, env: { XDG_STATE_HOME: '/x' }, home: '' }, '/x/torc'],
  ];
  for (const [place, expected] of rows) assert.is(platformRoot(place), expected, JSON.stringify(place));
});

test('it is made with its parents, for this user alone', () => {
  const place = temporaryState();
  const root = join(place, 'a', 'b');
  assert.is(stateRoot(root), root);
  for (const made of [join(place, 'a'), root]) assert.is(statSync(made).mode & 0o777, 0o700);
  assert.is(stateRoot(root), root, 'and found again');
});

test('one that others can write to, that belongs to somebody else or cannot be made says what to do', () => {
  const place = temporaryState();
  const open = join(place, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  assert.match(
    faultOf(() => stateRoot(open)),
    /^StartError: .*open can be written by other users: chmod 700 it/,
  );
  const link = join(place, 'link');
  symlinkSync(open, link);
  assert.match(
    faultOf(() => stateRoot(link)),
    /link can be written by other users/,
  );
  const file = join(place, 'file');
  writeFileSync(file, '');
  assert.match(
    faultOf(() => stateRoot(file)),
    /^StartError: cannot make .*file \(EEXIST\): set TORC_STATE_DIR/,
  );
  assert.match(
    faultOf(() => stateRoot(join(file, 'x'))),
    /^StartError: cannot make .*\(ENOTDIR\): set TORC_STATE_DIR/,
  );
  if (process.getuid?.() !== 0) return;
  const foreign = join(place, 'foreign');
  mkdirSync(foreign);
  chownSync(foreign, 65_534, 65_534);
  assert.match(
    faultOf(() => stateRoot(foreign)),
    /foreign belongs to another user \(uid 65534, torc runs as 0\)/,
  );
});

test('a link in place of a scope is not followed', async () => {
  const root = temporaryState();
  symlinkSync(temporaryState(), join(root, 'scope'));
  const fault = await new StateDirectory(root, 'scope', 'x').open().catch((error: Error) => error.message);
  assert.match(String(fault), /scope is not a directory/);
});

test('the lock keeps a second one out while its owner lives', async () => {
  const root = temporaryState();
  const first = new StateDirectory(root, 'scope', 'the replicas of here');
  await first.open();
  const second = new StateDirectory(root, 'scope', 'the replicas of here');
  const fault = await second.open().catch((error: Error) => error.message);
  assert.match(
    String(fault),
    new RegExp(`another torc \\(pid ${process.pid}\\) manages the replicas of here`),
  );
  first.close();
  await second.open();
  second.close();
});

test('a lock of another boot holds nobody up, though its pid and ticks are those of a living process', async () => {
  const root = temporaryState();
  const now = (await observe([process.pid])).get(process.pid)!.startTime;
  mkdirSync(join(root, 'scope'), { mode: 0o700 });
  const lock = join(root, 'scope', 'lock');
  writeFileSync(lock, JSON.stringify({ pid: process.pid, startTime: now.replace(/^[^.]*/, 'anotherb') }));
  const directory = new StateDirectory(root, 'scope', 'x');
  await directory.open();
  assert.is(JSON.parse(readFileSync(lock, 'utf8')).startTime, now);
  directory.close();
});

test.run();
