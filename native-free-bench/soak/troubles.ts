// What is done to a torc under load, one row each, and when that is over: as an operator, a deploy, a crash would do it. Which
// comes next is drawn by the seed, like cards from a pack: all of them, and then again.

import type { Random } from '../../src/core/random.ts';
import { waitFor } from '../../test/support/wait.ts';
import type { TroubleKind } from './accounts.ts';
import { Cut, type SoakedTorc } from './torc.ts';

const WITHIN_MS = 90_000;
const until = (condition: () => boolean | Promise<boolean>, what: string): Promise<void> =>
  waitFor(condition, { timeoutMs: WITHIN_MS, what });

export interface Row {
  readonly kind: TroubleKind;
  /** How often, in a round of all. */
  readonly weight: number;
  readonly needsEngine?: true;
  /** `gone`: what was struck has ended, and nobody can be with it any more. */
  readonly strike: (torc: SoakedTorc, random: Random, gone: () => void) => Promise<void>;
}

const oneOf = <T>(list: readonly T[], random: Random): T => list[Math.floor(random() * list.length)]!;

/** A replica is lost: over when its slot has another. */
const lose =
  (signal: NodeJS.Signals) =>
  async (torc: SoakedTorc, random: Random): Promise<void> => {
    const { name, replica } = oneOf(await torc.slots(), random);
    await torc.replicas.signal(replica, signal).catch(() => {
      throw new Cut(`slot ${name} has its replica no more, or the engine is away`);
    });
    const isReplaced = async (): Promise<boolean> =>
      // One that is scaled away meanwhile has none.
      (await torc.slots()).every(
        slot => slot.name !== name || (slot.state === 'ready' && slot.replica !== replica),
      );
    await until(() => isReplaced().catch(() => false), `slot ${name} to have another replica`);
  };

/** The engine is killed and started again. */
async function restartEngine(torc: SoakedTorc, flags: readonly string[]): Promise<void> {
  const engine = torc.replicas.engine!;
  await engine.end('SIGKILL');
  await engine.start(flags);
}

const rows: readonly Row[] = [
  { kind: 'kill', weight: 4, strike: lose('SIGKILL') },
  { kind: 'hang', weight: 1, strike: lose('SIGSTOP') },
  {
    kind: 'rollout',
    weight: 1,
    strike: async (torc, random) => {
      await torc.ask('POST', '/admin/rollout', torc.replicas.another(random));
      const isOver = async (): Promise<boolean> =>
        (await torc.ask('GET', '/admin/rollout')).state !== 'running';
      await until(() => isOver().catch(() => false), 'the roll-out to end');
    },
  },
  {
    kind: 'scale',
    weight: 2,
    strike: async torc => {
      const { starts } = torc;
      const isThere = (await torc.slots()).some(({ name }) => name === 'more');
      if (!isThere) await torc.ask('POST', '/add', { n: 1, hostnames: ['more'] });
      // A torc that was started meanwhile has as many as its settings say.
      if (torc.starts === starts) await torc.ask('DELETE', '/rm', { n: 1, hostnames: ['more'] });
    },
  },
  {
    kind: 'reload',
    weight: 4,
    strike: async torc => {
      const before = torc.said('settings reloaded');
      torc.write();
      await torc.hangUp();
      const { starts } = torc;
      await until(
        () => torc.said('settings reloaded') > before || torc.starts > starts,
        'the settings to be read',
      );
    },
  },
  {
    kind: 'worker',
    weight: 1,
    strike: async (torc, random, gone) => {
      const { pid: victim } = oneOf(torc.processes.workers, random);
      process.kill(victim, 'SIGKILL');
      const isThere = (): boolean => torc.processes.workers.some(({ pid }) => pid === victim);
      await until(() => !isThere(), 'a killed worker to end');
      gone();
      await until(() => torc.hasWorkers().catch(() => false), 'another worker');
    },
  },
  {
    // Over when another one leads. What its workers have they still end.
    kind: 'primary',
    weight: 2,
    strike: (torc, _random, gone) => torc.restart(gone),
  },
  {
    // Over when another one serves. The old one still ends what it has.
    kind: 'replace',
    weight: 2,
    strike: async torc => void (await torc.ask('POST', '/admin/replace')),
  },
  {
    // Its start ends the containers: those that it then has no more are waited for.
    kind: 'engine',
    weight: 1,
    needsEngine: true,
    strike: async torc => {
      const before = (await torc.slots()).map(({ replica }) => replica);
      await restartEngine(torc, []);
      const running = (await torc.replicas.engine!.docker.listContainers()).map(({ Id }) => Id);
      const ended = before.filter(label => !running.some(id => id.startsWith(label)));
      const areReplaced = async (): Promise<boolean> =>
        (await torc.slots()).every(({ state, replica }) => state === 'ready' && !ended.includes(replica));
      await until(() => areReplaced().catch(() => false), `replicas instead of ${ended.join(', ')}`);
    },
  },
  {
    // Its start finds them running, and torc need not know that it was away.
    kind: 'live-restore',
    weight: 1,
    needsEngine: true,
    strike: torc => restartEngine(torc, ['--live-restore']),
  },
];

/** As often as their weights say in each round, so that a short soak has them all. `beside`: what goes on already; two of a
 * kind are one too many, and an engine can be killed once. */
export function drawing(
  random: Random,
  only: readonly string[],
  hasEngine: boolean,
): (beside: Row | null) => Row | null {
  const round = rows
    .filter(({ kind }) => only.length === 0 || only.includes(kind))
    .filter(({ needsEngine = false }) => hasEngine || !needsEngine)
    .flatMap(row => Array.from({ length: row.weight }, () => row));
  let left: Row[] = [];
  return beside => {
    if (left.length === 0) left = [...round];
    const among = left.filter(row => row !== beside && !(row.needsEngine && beside?.needsEngine));
    if (among.length === 0) return null;
    const row = oneOf(among, random);
    left.splice(left.indexOf(row), 1);
    return row;
  };
}
