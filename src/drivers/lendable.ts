// A driver that two torcs may not have at once, while one takes over from the other (src/succession.ts). The successor only looks
// at first: it adopts what is there, and what it would end or make waits until it is torc; settings that turn out wrong have
// touched nothing then. For its predecessor the driver is meanwhile as an engine that is away: routing goes on, heartbeats take
// out what does not answer them, and nothing is made or ended. Where replicas are given, nobody owns them, and both may look.

import type { Driver, DriverEvent } from '../control/driver.ts';
import type { Clock } from '../core/clock.ts';

const CHANGES: ReadonlySet<string | symbol> = new Set(['start', 'stop', 'assign']);
const ASKS: ReadonlySet<string | symbol> = new Set(['list', 'prepare', 'health']);

export type Hold = 'ours' | 'looked at' | 'lent';

export interface Lendable {
  readonly driver: Driver;
  /** What is only looked at will not be ours: what waits for that is refused. */
  abandon(): void;
  lend(): Promise<void>;
  /** What was lent, or looked at, is ours: the next list tells what the other one has done. An engine that is away is waited for. */
  take(): Promise<void>;
}

export interface LendableOptions {
  readonly atFirst: Hold;
  readonly clock: Clock;
  /** Told once why what was lent cannot be had again yet. */
  readonly onRefused: (error: Error) => void;
}

const AGAIN_MS = 1_000;

export function lendable(real: Driver, { atFirst, clock, onRefused }: LendableOptions): Lendable {
  let hold = atFirst;
  let onEvent: (event: DriverEvent) => void = () => {};
  const open: Driver['open'] = listener => {
    onEvent = listener;
    return real.open(listener);
  };
  const close: Driver['close'] = async options => {
    if (hold !== 'lent') await real.close(options);
  };
  const refuse = (): Promise<never> => Promise.reject(new Error('one torc takes over from another'));
  /** Not refused: a start that fails is tried again ever more rarely, and what is ours in a moment would wait for that. */
  const ours = Promise.withResolvers<void>();
  ours.promise.catch(() => {});
  const driver = new Proxy(real, {
    get(_, name) {
      if (name === 'open') return open;
      if (name === 'close') return close;
      if (name === 'isLent') return hold === 'lent';
      if (hold === 'lent' && (CHANGES.has(name) || ASKS.has(name))) return refuse;
      const value: unknown = Reflect.get(real, name, real);
      if (typeof value !== 'function') return value;
      if (hold === 'looked at' && CHANGES.has(name))
        return (...args: unknown[]) => ours.promise.then(() => value.apply(real, args));
      return value.bind(real);
    },
  });
  const reopen = async (): Promise<void> => {
    for (let isFirst = true; ; isFirst = false) {
      try {
        return await real.open(event => onEvent(event));
      } catch (error) {
        if (isFirst) onRefused(error as Error);
        await real.close({ remove: false }).catch(() => {}); // what it had opened by then
      }
      await new Promise<void>(resolve => clock.after(AGAIN_MS, resolve));
    }
  };
  return {
    driver,
    abandon: () => ours.reject(new Error('another torc goes on')),
    lend: async () => {
      if (!real.creates) return;
      hold = 'lent';
      await real.close({ remove: false });
    },
    take: async () => {
      if (hold === 'lent') await reopen();
      if (hold === 'ours') return;
      hold = 'ours';
      ours.resolve();
      onEvent({ kind: 'resync', cause: 'the replicas are ours' });
    },
  };
}
