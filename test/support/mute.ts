// A replica that starts and never answers its heartbeat, in slot 2 of a torc that is on its way up, for any driver.

import * as assert from 'uvu/assert';
import { followEvents } from './events.ts';
import { slotsOf } from './healing.ts';
import type { Torc } from './torc.ts';
import { waitFor } from './wait.ts';
import { allReady } from './zero-loss.ts';

interface SlotLine {
  readonly name: string;
  readonly state: string;
  readonly lastChange: { readonly cause: string };
}

async function secondOf(torc: Torc): Promise<SlotLine | undefined> {
  const text = await torc.get('/admin/slots').then(
    answer => answer.text,
    () => '{"slots":[]}', // not up yet
  );
  return (JSON.parse(text) as { slots: SlotLine[] }).slots.find(({ name }) => name === '2');
}

/** `mend` makes the next one of slot 2 a good one. */
export async function muteTest(torc: Torc, mend: () => void | Promise<void>): Promise<void> {
  const isSaid = async (): Promise<boolean> => {
    const slot = await secondOf(torc);
    return slot?.state === 'starting' && /^no heartbeat answered yet: /.test(slot.lastChange.cause);
  };
  await waitFor(isSaid, { timeoutMs: 60_000, what: 'the wait for a first answer in words' });
  const { changes, close } = await followEvents(torc);
  await mend();
  const isEnded = (): boolean =>
    changes.some(
      ({ slot, to, cause }) =>
        slot === '2' && to === 'dead' && cause.startsWith('no heartbeat answered yet: '),
    );
  await waitFor(isEnded, { timeoutMs: 60_000, what: 'its end, with the cause' });
  close();
  await allReady(torc);
  assert.equal(
    (await slotsOf(torc)).map(({ name, generation }) => [name, generation]),
    [
      ['1', 1],
      ['2', 2],
      ['3', 1],
    ],
  );
  for (let key = 0; key < 50; key++) assert.is((await torc.get(`/request?request_id=${key}`)).status, 200);
}
