// Which targets are torc's own: the same bytes for worker and primary, every method, nothing that is only spelt like it.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isControl, splitTarget } from '../../src/core/control-path.ts';

const paths = suite('control paths');

const ASSIGNMENT = [
  '/rep',
  '/add',
  '/rm',
  '/requests/1',
  '/rep?x=1',
  'http://a.test/rep',
  'HTTP://a.test:80/add?x',
];
const ADMIN = ['/admin', '/admin/', '/admin/slots', '/admin/none?x', '/metrics', 'http://a.test/metrics'];
const OTHERS = [
  '/',
  '/replica',
  '/rep/',
  '/reps',
  '/added',
  '/add/x',
  '/requests/',
  '/requests/1/2',
  '/requests',
  '/administrator',
  '/metrics/x',
  '//rep',
  '/./rep',
  '/x/../rep',
  '/\\rep',
  '\\rep',
  '/re%70',
  '/%61dmin/slots',
  '/admin%2fslots',
  '/REP',
  '/Admin/slots',
  '/rep#x',
  '/rep;x',
  '*',
  '',
  'http://a.test',
  'http://a.test?/rep',
  'ftp://a.test/rep',
  '/http://a.test/rep',
];

paths('both: all of them; separate: the assignment alone; off-public: none', () => {
  for (const target of ASSIGNMENT) {
    assert.is(isControl(target, 'both'), true, target);
    assert.is(isControl(target, 'separate'), true, target);
    assert.is(isControl(target, 'off-public'), false, target);
  }
  for (const target of ADMIN) {
    assert.is(isControl(target, 'both'), true, target);
    assert.is(isControl(target, 'separate'), false, target);
    assert.is(isControl(target, 'off-public'), false, target);
  }
  for (const target of OTHERS) assert.is(isControl(target, 'both'), false, target);
});

paths('path and query are the bytes that came', () => {
  assert.equal(splitTarget('/admin/explain?key=a%2Bb?c'), { path: '/admin/explain', query: 'key=a%2Bb?c' });
  assert.equal(splitTarget('http://a.test:80/rep'), { path: '/rep', query: '' });
  assert.equal(splitTarget('/admin/../add'), { path: '/admin/../add', query: '' });
});

paths.run();
