// Time, handed in by argument. Control-plane code never reads Date.now or calls setTimeout itself, so that the
// simulation (test/sim) can run hours in milliseconds and replay them. A test bans the globals outside this file.

// As a global it would be looked up by name with every call.
import { performance } from 'node:perf_hooks';

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds: for intervals and deadlines. */
  nowMs(): number;
  /** Milliseconds since 1970: to show people, and for what processes tell each other. */
  wallMs(): number;
  /** Calls back once after `ms`. */
  after(ms: number, callback: () => void): Timer;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};
