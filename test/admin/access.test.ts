// Who may ask the control endpoints what: the token, the loopback listener, the Host and the content type.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLoopback, refusal } from '../../src/admin/access.ts';
import type { AdminRequest } from '../../src/core/messages.ts';

const access = suite('access');

const asked = (over: Partial<AdminRequest> = {}): AdminRequest => ({
  method: 'GET',
  target: '/admin/slots',
  host: '127.0.0.1:5000',
  authorization: '',
  contentType: '',
  lastEventId: '',
  body: '',
  ...over,
});
const loopback = { host: '127.0.0.1', adminToken: null, adminOpen: false, adminHosts: [] };
const everywhere = { ...loopback, host: '0.0.0.0' };
const status = (config: typeof loopback | object, request: AdminRequest, open = false): number =>
  refusal({ ...loopback, ...config }, request, open)?.status ?? 200;

access('a loopback listener is open, any other needs more', () => {
  assert.is(status(loopback, asked()), 200);
  assert.is(status(everywhere, asked()), 403);
  assert.is(status({ ...everywhere, adminOpen: true }, asked()), 200);
  assert.is(status(everywhere, asked(), true), 200, 'a route that only reads');
});

access('the token opens, nothing like it does', () => {
  const guarded = { ...everywhere, adminToken: 'correct-horse' };
  assert.is(status(guarded, asked()), 401);
  assert.is(status(guarded, asked({ authorization: 'Bearer correct-horse' })), 200);
  for (const authorization of [
    'Bearer correct-hors',
    'Bearer correct-horsf',
    'correct-horse',
    'Basic correct-horse',
    'Bearer ',
  ]) {
    assert.is(status(guarded, asked({ authorization })), 401, authorization);
  }
});

access('a Host that is no address, localhost or configured name is refused', () => {
  for (const host of [
    '127.0.0.1',
    '127.0.0.1:5000',
    'localhost:5000',
    '[::1]:5000',
    '192.0.2.7',
    'LOCALHOST',
  ]) {
    assert.is(status(loopback, asked({ host })), 200, host);
  }
  for (const host of [
    'evil.example',
    'evil.example:5000',
    '',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '0x7f.1',
  ]) {
    assert.is(status(loopback, asked({ host })), 403, host);
    assert.is(status(loopback, asked({ host }), true), 403, `${host}, reading`);
  }
  assert.is(status({ adminHosts: ['torc.internal'] }, asked({ host: 'torc.internal:80' })), 200);
});

access('a body must be sent as JSON', () => {
  assert.is(status(loopback, asked({ body: '{}', contentType: 'application/json; charset=utf-8' })), 200);
  for (const contentType of [
    '',
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonp',
    'text/plain; application/json',
  ]) {
    assert.is(status(loopback, asked({ body: '{}', contentType })), 415, contentType);
  }
});

access('loopback is what only this machine reaches', () => {
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost', '::ffff:127.0.0.1'])
    assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.com']) assert.not.ok(isLoopback(host), host);
});

access.run();
