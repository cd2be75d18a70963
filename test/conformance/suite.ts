// All cases, and how one is run: the replica forgets what it saw, the case talks, and then the proxy must still serve a
// plain request on a new connection. So a proxy that dies, hangs, or keeps a poisoned connection in its pool fails the
// very case that did it.

import { plain } from '../support/origin.ts';
import { ask, get } from '../support/raw.ts';
import { bodies } from './bodies.ts';
import { connections } from './connections.ts';
import { faults } from './faults.ts';
import { forwarding } from './forwarding.ts';
import { hopByHop } from './hop-by-hop.ts';
import { responses } from './responses.ts';
import { smuggling } from './smuggling.ts';
import { type Case, PATIENCE_MS, type World } from './talk.ts';
import { upgrades } from './upgrades.ts';

export const cases: readonly Case[] = [
  ...forwarding,
  ...bodies,
  ...hopByHop,
  ...smuggling,
  ...responses,
  ...connections,
  ...upgrades,
  ...faults,
];

/** Throws what the case threw, or that the proxy did not recover from it. False where its words could not be said. */
export async function runCase(subject: Case, world: World): Promise<boolean> {
  const { origin } = world;
  origin.requests.length = 0;
  origin.bytes = '';
  if (world.relay !== undefined) world.relay.unsaid = '';
  const isSaid = (): boolean => world.relay === undefined || world.relay.unsaid === '';
  try {
    await subject.run(world);
  } catch (error) {
    if (isSaid()) throw error;
  } finally {
    // What is still open belongs to this case: the next one starts with connections of its own.
    for (const socket of origin.sockets) socket.destroy();
  }
  const said = isSaid();
  await settled(world);
  return said;
}

/** The proxy serves again, and what it serves is the answer to this very request. */
export async function settled(world: World): Promise<void> {
  const mark = `settled-${Math.random()}`;
  world.origin.answer = plain(mark);
  world.origin.atHead = false;
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const body = await ask(world.port, get('/settle')).then(
      answer => (answer.status === 200 ? answer.body : ''),
      () => '',
    );
    if (body === mark) return;
    if (body !== '') throw new Error(`somebody else's answer: ${body}`);
    if (performance.now() > endMs) throw new Error('the proxy does not serve any more');
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}
