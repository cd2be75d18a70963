// SIGTERM and SIGINT: the first one asks torc to end, and it finishes what it has; a second one does not wait for that. Ctrl-C in a
// terminal under `npm start` comes twice, from the terminal and from npm, and is one.

import { systemClock } from './core/clock.ts';

/** npm hands a terminal's Ctrl-C on to us although we had it already: within this time it is the same signal. */
const SAME_SIGNAL_MS = 500;

/** Resolves with the first signal's name; a second one calls `atOnce`. */
export function stopSignal(atOnce: () => void): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let firstMs: number | null = null;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (firstMs === null) {
        firstMs = systemClock.nowMs();
        resolve(signal);
      } else if (systemClock.nowMs() - firstMs > SAME_SIGNAL_MS) {
        atOnce();
      }
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
