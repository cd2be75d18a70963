// The static driver: given upstreams are slots, and nothing is ever made.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StaticDriver } from '../../src/drivers/static/driver.ts';

const test = suite('static driver');

test('upstreams are the slots 1, 2, ... in their order, always running', async () => {
  const driver = new StaticDriver([
    { host: 'app.internal', port: 8080 },
    { host: '::1', port: 81 },
  ]);
  await driver.open();
  const common = { generation: 1, spare: false, status: 'running' };
  assert.equal(await driver.list(), [
    {
      ...common,
      id: 'app.internal:8080',
      slot: '1',
      host: 'app.internal',
      port: 8080,
      label: 'app.internal:8080',
    },
    { ...common, id: '[::1]:81', slot: '2', host: '::1', port: 81, label: '[::1]:81' },
  ]);
});

test('an upstream named twice stops the start', async () => {
  const twice = { host: 'a', port: 1 };
  const driver = new StaticDriver([twice, { host: 'b', port: 1 }, twice]);
  const fault = await driver.open().catch((error: Error) => `${error.name}: ${error.message}`);
  assert.is(fault, 'StartError: TORC_UPSTREAMS names a:1 twice: one slot each is enough');
});

test('it makes nothing, and ends nothing', async () => {
  const driver = new StaticDriver([{ host: 'a', port: 1 }]);
  assert.is(driver.creates, false);
  await driver.start().then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /TORC_UPSTREAMS/),
  );
  await driver.stop();
  await driver.close();
});

test.run();
