// Whose keys `/requests/ID` shows to whom: numbers to everybody, the rest to who may read, secrets as keyed hashes.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isOpenFor, keyView, requestsPage } from '../../src/admin/requests.ts';
import { loadConfig } from '../../src/config/load.ts';

const requests = suite('requests');

const sources = (text: string) => {
  const loaded = loadConfig({ TORC_KEY: text }, []);
  if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));
  return loaded.config.key;
};
const secret = Buffer.alloc(32, 7);
const page = (keys: string[], view: Parameters<typeof requestsPage>[2]) => {
  const text = [...requestsPage(keys, 12, view, secret)].join('');
  return { text, ...(JSON.parse(text) as { requests: unknown[]; count: number; status: string }) };
};

requests('the open form is for the keys of the assignment alone', () => {
  assert.ok(isOpenFor(sources('query:request_id,path')));
  assert.ok(isOpenFor(sources('query:request_id,random')));
  for (const text of ['cookie:sid', 'query:request_id,header:x-user', 'query:user', 'ip'])
    assert.not.ok(isOpenFor(sources(text)), text);
});

requests('who may not read sees numbers only, secrets are hashes unless asked for otherwise', () => {
  assert.is(keyView(sources('query:request_id,path'), false, true), 'numbers');
  assert.is(keyView(sources('query:request_id,path'), true, false), 'all');
  for (const text of ['path', 'query:request_id,ip', 'random'])
    assert.is(keyView(sources(text), true, false), 'all', text);
  for (const text of [
    'cookie:sid',
    'header:authorization',
    'header:x-api-key',
    'header:x_access_key',
    'query:jwt',
    'query:token,path',
    'query:request_id,query:PHPSESSID',
    'uri',
  ])
    assert.is(keyView(sources(text), true, false), 'hashes', text);
  assert.is(keyView(sources('cookie:sid'), true, true), 'all');
});

requests('the page is JSON, one id a line, whatever it shows', () => {
  const keys = ['7', '007', '/reset?token=abc', '12'];
  assert.equal(page(keys, 'numbers').requests, [7, '007', 12]);
  assert.equal(page(keys, 'all').requests, [7, '007', '/reset?token=abc', 12]);
  assert.is(page([], 'all').text, '{\n  "requests": [],\n  "count": 12,\n  "status": "successful"\n}\n');
  assert.is(
    page(['7'], 'all').text,
    '{\n  "requests": [\n    7\n  ],\n  "count": 12,\n  "status": "successful"\n}\n',
  );
  const many = Array.from({ length: 1_234 }, (_, index) => String(index));
  assert.equal(page(many, 'all').requests, many.map(Number));
  assert.is(page(many, 'all').text.split('\n').length, 1_234 + 7);
});

requests('a hash can be compared and does not show the key', () => {
  const [first, second, again] = page(['sid-1', 'sid-2', 'sid-1'], 'hashes').requests as string[];
  assert.is(first, again);
  assert.is.not(first, second);
  assert.match(first!, /^hash:[0-9a-f]{16}$/);
  assert.not.match(page(['sid-1'], 'hashes').text, /sid/);
});

requests.run();
