// What has begun at a replica and may not be tried elsewhere: a POST and a tunnel. They end when their replica is certainly
// gone, not at a timeout (which is out of reach here), and the POST is sent nowhere else. The replica is slow-replica.ts.

import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Fault, slotsOf } from './healing.ts';
import { get, type RawClient, rawClient } from './raw.ts';
import type { Torc } from './torc.ts';
import { waitFor } from './wait.ts';
import { allReady } from './zero-loss.ts';

/** Longer than any test. */
export const PATIENT = { TORC_RESPONSE_TIMEOUT_MS: '600000', TORC_IDLE_TIMEOUT_MS: '600000' };

/** A key that this slot serves now. */
export async function keyOf(torc: Torc, slot: string): Promise<number> {
  for (let key = 0; key < 1_000; key++) {
    const { servedBy } = JSON.parse((await torc.get(`/admin/explain?key=${key}`)).text) as {
      servedBy: string;
    };
    if (servedBy === slot) return key;
  }
  throw new Error(`slot ${slot} serves none of 1,000 keys`);
}

async function inFlightOf(torc: Torc, name: string): Promise<number> {
  const { slots } = JSON.parse((await torc.get('/admin/slots')).text) as {
    slots: { name: string; inFlight: number }[];
  };
  return slots.find(slot => slot.name === name)?.inFlight ?? -1;
}

/** A POST at slot 2, whose replica has it when this resolves. */
export async function beginPost(torc: Torc, path: string): Promise<RawClient> {
  const key = await keyOf(torc, '2');
  const before = await inFlightOf(torc, '2');
  const client = await rawClient(torc.port);
  client.send(`POST ${path}?request_id=${key} HTTP/1.1\r\nHost: torc.test\r\nContent-Length: 4\r\n\r\nonce`);
  const isThere = async (): Promise<boolean> => (await inFlightOf(torc, '2')) === before + 1;
  await waitFor(isThere, { timeoutMs: 20_000, what: 'the POST to be in flight' });
  return client;
}

export const answered = (client: RawClient, head: RegExp): Promise<void> =>
  waitFor(() => head.test(client.received), { timeoutMs: 60_000, what: `${head}` });

export const strikeSecond = async (torc: Torc, strike: Fault): Promise<void> => {
  const victim = (await slotsOf(torc)).find(({ name }) => name === '2')!;
  await strike(victim.replica.replace(/^pid /, ''));
};

export function begunTests(test: Test, start: () => Promise<Torc>, faults: Record<string, Fault>): void {
  let torc: Torc;
  test.before(async () => {
    torc = await start();
  });
  test.after(() => torc.close());
  for (const [fault, strike] of Object.entries(faults)) {
    test(`${fault}: a POST that has begun is answered 502, a tunnel ends, and neither is begun anew`, async () => {
      await allReady(torc);
      const tunnel = await rawClient(torc.port);
      const key = await keyOf(torc, '2');
      tunnel.send(get(`/echo?request_id=${key}`, ['Connection: Upgrade', 'Upgrade: echo']));
      await tunnel.has('101 Switching');
      const writer = await beginPost(torc, '/never');
      const struckMs = performance.now();
      await strikeSecond(torc, strike);
      await answered(writer, /^HTTP\/1\.1 502 .*the replica closed the connection before it answered/s);
      const endedMs = Math.round(performance.now() - struckMs);
      await waitFor(() => tunnel.closed, { timeoutMs: 60_000, what: 'the end of the tunnel' });
      await allReady(torc);
      for (const { name } of await slotsOf(torc)) assert.is(await inFlightOf(torc, name), 0);
      process.stdout.write(`\n  ${fault}: 502 after ${endedMs} ms\n`);
      writer.close();
      tunnel.close();
    });
  }
}
