// Who may ask the control endpoints what: tokens and roles, the local listener, what came through a proxy or from a
// replica, the Host, foreign pages and the body's head.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type AccessRules,
  isLoopback,
  isRefusal,
  judge,
  type Need,
  rightsOf,
} from '../../src/admin/access.ts';
import { parseTokens, type Token } from '../../src/admin/tokens.ts';
import type { AdminRequest } from '../../src/core/messages.ts';

const access = suite('access');

type Fields = Record<string, string | string[]>;

function asked(fields: Fields = {}, over: Partial<AdminRequest> = {}): AdminRequest {
  const all = { host: '127.0.0.1:5000', ...fields };
  const rawHeaders = Object.entries(all).flatMap(([name, values]) =>
    [values].flat().flatMap(value => [name, value]),
  );
  return {
    method: 'GET',
    target: '/admin/slots',
    peer: '127.0.0.1',
    isTold: false,
    listener: '127.0.0.1',
    hasBody: false,
    isHttp11: true,
    ...over,
    rawHeaders,
  };
}

const tokensOf = (text: string): readonly Token[] => parseTokens(text) as readonly Token[];
const local: AccessRules = {
  isLocal: true,
  host: '127.0.0.1',
  tokens: [],
  adminOpen: false,
  adminHosts: [],
  isReplicaPeer: () => false,
  isTrustedProxy: () => false,
};
const everywhere = { ...local, isLocal: false, host: '0.0.0.0' };
const guarded = { ...local, tokens: tokensOf('correct-horse') };

function status(rules: AccessRules, request: AdminRequest, need: Need = 'read'): number {
  const verdict = judge(rules, request, need);
  return isRefusal(verdict) ? verdict.status : 200;
}

access('a local listener is open, any other needs more', () => {
  assert.is(status(local, asked()), 200);
  assert.is(status(everywhere, asked()), 403);
  assert.is(status({ ...everywhere, adminOpen: true }, asked()), 200);
  assert.is(status(everywhere, asked(), 'nothing'), 200, 'what everybody may read');
});

access('a reader is told what it may do besides, and that is what it is judged by', () => {
  const rules = { ...local, tokens: tokensOf('viewer read viewer-viewer\nops operate ops-ops-ops') };
  const cases = [
    [rules, 'viewer-viewer', { name: 'viewer', operate: false, command: false }],
    [rules, 'ops-ops-ops', { name: 'ops', operate: true, command: true }],
    [local, '', { name: 'this machine', operate: true, command: false }],
    [
      { ...everywhere, adminOpen: true },
      '',
      { name: 'anybody (TORC_ADMIN_OPEN)', operate: true, command: true },
    ],
  ] as const;
  for (const [asking, token, rights] of cases) {
    const request = asked(token === '' ? {} : { authorization: `Bearer ${token}` });
    assert.equal(rightsOf(asking, request), rights);
    assert.is(status(asking, request, 'operate') === 200, rights.operate);
  }
});

access('a token that is set is asked for on every listener, and beats TORC_ADMIN_OPEN', () => {
  for (const rules of [guarded, { ...guarded, isLocal: false }, { ...guarded, adminOpen: true }]) {
    assert.is(status(rules, asked()), 401);
    assert.is(status(rules, asked({ authorization: 'Bearer correct-horse' })), 200);
  }
  for (const authorization of [
    'Bearer correct-hors',
    'Bearer correct-horsf',
    'correct-horse',
    'Basic correct-horse',
    'Bearer ',
  ]) {
    assert.is(status(guarded, asked({ authorization })), 401, authorization);
  }
  const twice = ['Bearer correct-horse', 'Bearer correct-horse'];
  assert.is(status(guarded, asked({ authorization: twice })), 401, 'two fields');
});

access('a role that reads does not operate, and the log learns the name', () => {
  const rules = { ...local, tokens: tokensOf('prometheus read scrape-me-please\nanna operate let-anna-in') };
  const reader = asked({ authorization: 'Bearer scrape-me-please' });
  assert.is(status(rules, reader), 200);
  assert.is(status(rules, reader, 'operate'), 403);
  assert.equal(judge(rules, asked({ authorization: 'Bearer let-anna-in' }), 'operate'), { who: 'anna' });
});

access('the empty page is for whom a token would be asked of, and closed where all is', () => {
  assert.is(status(guarded, asked(), 'page'), 200);
  assert.is(status(local, asked(), 'page'), 200);
  assert.is(status(everywhere, asked(), 'page'), 403);
  assert.is(status(local, asked({ 'x-forwarded-for': '10.0.0.1' }), 'page'), 403);
  const foreign = { 'sec-fetch-site': 'cross-site' };
  assert.is(status(guarded, asked({ ...foreign, 'sec-fetch-dest': 'script' }), 'page'), 403);
  assert.is(status(guarded, asked({ ...foreign, 'sec-fetch-dest': 'document' }), 'page'), 200, 'a link');
});

access('without a token, what came through a proxy is not local', () => {
  for (const name of [
    'X-Forwarded-For',
    'x-forwarded-prefix',
    'X-Forwarded',
    'X-Original-Forwarded-For',
    'Forwarded',
    'Via',
    'CDN-Loop',
    'X-Real-IP',
    'X-Client-IP',
    'X-Cluster-Client-IP',
    'True-Client-IP',
    'Fastly-Client-IP',
    'CF-Connecting-IP',
    'X-Envoy-External-Address',
    'X-Amzn-Trace-Id',
    'X-Original-Host',
    'CF-Ray',
    'X_Forwarded_For',
    'X-Forward-For',
    'X-Azure-ClientIP',
    'X-Nf-Client-Connection-Ip',
    'X-Remote-IP',
    'X-Real_IP',
  ]) {
    assert.is(status(local, asked({ [name]: '127.0.0.1' })), 403, name);
    assert.is(
      status(local, asked({ [name]: '127.0.0.1' }), 'nothing'),
      200,
      `${name}, what everybody may read`,
    );
    const withToken = { [name]: 'x', authorization: 'Bearer correct-horse' };
    assert.is(status(guarded, asked(withToken)), 200, `${name}, with the token`);
  }
});

access('without a token, what a proxy of TCP passed on is not local, whoever it says it is', () => {
  assert.is(status(local, asked({}, { isTold: true })), 403);
  assert.is(status(local, asked({}, { isTold: true, peer: '203.0.113.7' })), 403);
});

access('without a token, a proxy of TORC_TRUSTED_PROXIES is not local', () => {
  const behind = { ...local, isTrustedProxy: (address: string) => address === '127.0.0.1' };
  assert.is(status(behind, asked()), 403);
  assert.is(status(behind, asked(), 'nothing'), 200);
  assert.is(status(behind, asked({}, { peer: '::1' })), 200, 'another');
  assert.is(status(behind, asked({}, { peer: '' })), 200, 'a unix socket');
  const withToken = { ...behind, tokens: guarded.tokens };
  assert.is(status(withToken, asked({ authorization: 'Bearer correct-horse' })), 200);
});

access('a refusal says what may help, of what was wrong', () => {
  const told = (rules: AccessRules, request: AdminRequest): string => {
    const verdict = judge(rules, request, 'read');
    return isRefusal(verdict) ? verdict.message : '';
  };
  assert.match(told(everywhere, asked()), /listen on loopback/);
  assert.not.match(told(local, asked({ via: '1.1 front' })), /listen on loopback/);
  assert.match(told(local, asked({}, { target: 'http://evil.example/admin/slots' })), /"evil.example"/);
  assert.not.match(told(local, asked({}, { target: 'http://u:secret@evil.example/' })), /secret/);
});

access("nothing is answered to the replicas' network, with or without a token", () => {
  const inside = { isReplicaPeer: (address: string) => address === '172.18.0.5' };
  const request = asked({ authorization: 'Bearer correct-horse' }, { peer: '172.18.0.5' });
  for (const rules of [guarded, { ...everywhere, adminOpen: true }, local])
    assert.is(status({ ...rules, ...inside }, request), 403);
  assert.is(status({ ...guarded, ...inside }, { ...request, peer: '172.18.0.1' }), 200, 'the gateway');
});

access(
  'a Host that is no address, localhost or configured name is refused; none or two are malformed',
  () => {
    for (const host of [
      '127.0.0.1',
      '127.0.0.1:5000',
      'localhost:5000',
      '[::1]:5000',
      '192.0.2.7',
      'LOCALHOST',
    ])
      assert.is(status(local, asked({ host })), 200, host);
    for (const host of [
      'evil.example',
      'evil.example:5000',
      '',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '0x7f.1',
    ]) {
      assert.is(status(local, asked({ host })), 403, host);
      assert.is(status(local, asked({ host }), 'nothing'), 403, `${host}, reading`);
    }
    assert.is(status({ ...local, adminHosts: ['torc.internal'] }, asked({ host: 'torc.internal:80' })), 200);
    for (const [target, expected] of [
      ['http://localhost:5000/admin/slots', 200],
      ['http://evil.example/admin/slots', 403],
      ['http://127.0.0.1@evil.example/admin/slots', 403],
    ] as const) {
      assert.is(status(local, asked({}, { target })), expected, target);
    }
    assert.is(status(local, asked({ host: [] })), 400);
    assert.is(status(local, asked({ host: ['127.0.0.1', '127.0.0.1'] })), 400);
  },
);

access('a foreign page changes nothing', () => {
  const post = (fields: Fields): number => status(local, asked(fields, { method: 'POST' }), 'operate');
  assert.is(post({}), 200, 'no browser');
  assert.is(post({ origin: 'http://127.0.0.1:5000', 'sec-fetch-site': 'same-origin' }), 200, 'our own page');
  assert.is(post({ origin: 'http://evil.example' }), 403);
  assert.is(post({ origin: 'null' }), 403);
  assert.is(post({ origin: 'http://127.0.0.1:8080' }), 403, 'another port');
  assert.is(post({ 'sec-fetch-site': 'cross-site' }), 403);
  assert.is(post({ 'sec-fetch-site': 'same-site' }), 403);
  const read = (fields: Fields, need: Need = 'read'): number => status(local, asked(fields), need);
  assert.is(read({ origin: 'http://evil.example' }), 403, 'nor has it torc work');
  assert.is(read({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }), 403);
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  assert.is(read(link), 200, 'a link');
  assert.is(read({ ...link, 'sec-fetch-dest': 'iframe' }), 403, 'a frame');
  assert.is(read({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 'nothing'), 200);
  assert.is(post(link), 403, 'a form');
});

access('a body is refused by its head', () => {
  const body = (fields: Fields): number => status(local, asked(fields, { hasBody: true, method: 'POST' }));
  assert.is(body({ 'content-type': 'application/json; charset=utf-8' }), 200);
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonp',
    'text/plain; application/json',
  ])
    assert.is(body({ 'content-type': type }), 415, type);
  assert.is(body({}), 415);
  assert.is(body({ 'content-type': ['application/json', 'text/plain'] }), 415);
  assert.is(body({ 'content-type': 'application/json', 'content-length': '65537' }), 413);
});

access('the file of tokens: one alone, or one a line; what is wrong is said with its line', () => {
  assert.equal(
    tokensOf('# who\nprometheus read scrape-me-please\n\nanna operate let-anna-in\n').map(
      ({ name, role }) => [name, role],
    ),
    [
      ['prometheus', 'read'],
      ['anna', 'operate'],
    ],
  );
  assert.equal(
    tokensOf('correct-horse\n').map(({ role }) => role),
    ['operate'],
  );
  for (const [text, wrong] of [
    ['', /no token/],
    ['short', /line 1: a token has/],
    ['a read', /line 1 is neither/],
    ['\nanna admin let-anna-in', /line 2: the role/],
    ['anna read let-anna-in\nanna operate other-token', /line 2: the name anna is there twice/],
    ['an/na read let-anna-in', /line 1: a name/],
  ] as const) {
    assert.match(String(parseTokens(text)), wrong);
  }
});

access('loopback is what only this machine reaches', () => {
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost', '::ffff:127.0.0.1'])
    assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.com']) assert.not.ok(isLoopback(host), host);
});

access.run();
