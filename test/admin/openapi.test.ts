// The document of the control side: an independent reader takes it, it names what is routed and nothing else, and what the
// tests of all other files hold answers against is strict.

import { Validator } from '@seriousme/openapi-schema-validator';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { endpoints } from '../../src/admin/endpoints.ts';
import { openApi } from '../../src/admin/openapi.ts';
import { routeNames } from '../../src/admin/routes.ts';
import { holdAgainstContract } from '../support/contract.ts';
import { startTorc } from '../support/torc.ts';

const contract = suite('openapi');

contract('it is a valid OpenAPI 3.1 document, and what it refers to is there', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(
    structuredClone(openApi('1.2.3')) as Record<string, unknown>,
  );
  assert.ok(valid, JSON.stringify(errors));
  assert.is(validator.version, '3.1');
  const text = JSON.stringify(openApi('1.2.3'));
  const { components } = JSON.parse(text) as { components: { schemas: object } };
  const wanted = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name!);
  assert.equal(
    wanted.filter(name => !(name in components.schemas)),
    [],
  );
  // Bodies are strict, and say so; of answers a client has to bear more than it knows.
  assert.is(text.match(/additionalProperties":false/g)?.length, 3);
});

contract('it has every route with its method and need, and no other', () => {
  const told = endpoints.map(({ method, path, need }) => `${method} ${path} ${need}`);
  assert.equal(told.sort(), [...routeNames()].sort());
});

contract('operations have names of their own, and changes say what they take', () => {
  const { paths } = openApi('1.2.3') as { paths: Record<string, Record<string, { operationId: string }>> };
  const ids = Object.values(paths).flatMap(path => Object.values(path).map(({ operationId }) => operationId));
  assert.is(new Set(ids).size, ids.length);
  assert.ok(ids.includes('getHotKeys'));
});

contract('a torc serves it, and answers as it says', async () => {
  const torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '2' });
  try {
    await torc.get('/request?request_id=7');
    for (const path of [
      '/rep',
      '/requests/1',
      '/admin/slots',
      '/admin/status',
      '/admin/explain?key=7',
      '/admin/explain?target=/',
      '/admin/whatif?n=3',
      '/admin/ring',
      '/admin/hot-keys',
      '/admin/rollout',
      '/admin/live',
      '/admin/ready',
      '/metrics',
    ])
      assert.is((await torc.get(path)).status, 200, path);
    assert.is((await torc.get('/admin/nothing')).status, 404);
    const { text } = await torc.get('/admin/openapi.json');
    const { openapi, info } = JSON.parse(text) as { openapi: string; info: { version: string } };
    assert.is(openapi, '3.1.0');
    assert.match(info.version, /^\d+\.\d+\.\d+$/);
  } finally {
    await torc.close();
  }
});

contract('what the document does not say is a fault', () => {
  const hold = (target: string, status: number, value: unknown): void =>
    holdAgainstContract(
      { method: 'GET', target, status, contentType: 'application/json', text: JSON.stringify(value) },
      'both',
    );
  const alive = { status: 'alive' };
  hold('/admin/live', 200, alive);
  hold('/elsewhere', 200, { any: 1 });
  assert.throws(() => hold('/admin/live', 200, { ...alive, more: 1 }), /not as documented/);
  assert.throws(() => hold('/admin/live', 200, {}), /not as documented/);
  assert.throws(() => hold('/admin/live', 404, alive), /not as documented/);
  hold('/admin/live', 404, { message: '<Error> no', status: 'failure' });
});

contract.run();
