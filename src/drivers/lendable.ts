// A driver that two torcs may not have at once, while one takes over from the other (src/succession.ts). The successor only looks
// at first: it adopts what is there, and what it would end or make waits until it is torc; settings that turn out wrong have
// touched nothing then. For its predecessor the driver is meanwhile as an engine that is away: routing goes on, heartbeats take
// out what does not answer them, and nothing is made or ended. Where replicas are given, nobody owns them, and both may look.

import type { Driver, DriverEvent } from '../control/driver.ts';

const CHANGES: ReadonlySet<string | symbol> = new Set(['start', 'stop', 'assign']);
const ASKS: ReadonlySet<string | symbol> = new Set(['list', 'prepare', 'health']);

export type Hold = 'ours' | 'looked at' | 'lent';

export interface Lendable {
  readonly driver: Driver;
  lend(): Promise<void>;
  /** What was lent, or looked at, is ours: the next list tells what the other one has done. */
  take(): Promise<void>;
}

export function lendable(real: Driver, atFirst: Hold): Lendable {
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
  const driver = new Proxy(real, {
    get(_, name) {
      if (name === 'open') return open;
      if (name === 'close') return close;
      if (hold !== 'ours' && (CHANGES.has(name) || (hold === 'lent' && ASKS.has(name)))) return refuse;
      const value: unknown = Reflect.get(real, name, real);
      return typeof value === 'function' ? value.bind(real) : value;
    },
  });
  return {
    driver,
    lend: async () => {
      if (!real.creates) return;
      hold = 'lent';
      await real.close({ remove: false });
    },
    take: async () => {
      if (hold === 'lent') await real.open(event => onEvent(event));
      if (hold === 'ours') return;
      hold = 'ours';
      onEvent({ kind: 'resync', cause: 'the replicas are ours' });
    },
  };
}
