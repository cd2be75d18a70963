// What the page remembers between two seconds: the document, kept by merge patches (RFC 7396), and the last minutes of its
// figures, which the charts draw. Nothing here touches the screen.

/** @typedef {import('./types.js').Stats} Stats */

/** Seconds of the charts, and of the small ones in the table. */
const KEPT = 300;
export const SPARK = 60;

/**
 * Changes `target` into what the patch says.
 * @param {Record<string, any>} target @param {Record<string, any>} patch
 */
export function applyPatch(target, patch) {
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete target[name];
    else if (typeof value !== 'object' || Array.isArray(value)) target[name] = value;
    else {
      // A slot may be called "constructor".
      const isThere =
        Object.hasOwn(target, name) && typeof target[name] === 'object' && !Array.isArray(target[name]);
      if (!isThere) target[name] = {};
      applyPatch(target[name], value);
    }
  }
}

export class History {
  constructor() {
    /** Seconds since 1970. @type {number[]} */
    this.times = [];
    /** @type {Record<'requests' | 'errors' | 'p50' | 'p99', (number | null)[]>} */
    this.all = { requests: [], errors: [], p50: [], p99: [] };
    /** Requests per second, oldest first. @type {Map<string, number[]>} */
    this.slots = new Map();
    /** Changes with every second that was added. */
    this.version = 0;
  }

  /** Once a second; documents between (a change of state) bring no new figures. @param {Stats} stats */
  add({ at, total, slots }) {
    const seconds = Date.parse(at) / 1_000;
    const last = this.times.at(-1) ?? 0;
    if (total.requestsPerSecond === undefined || seconds - last < 0.9) return;
    // A hole is a hole, not a line from its one side to the other.
    if (last !== 0 && seconds - last > 5) this.push(last + 1, null, null, null, null);
    const { requestsPerSecond, errorsPerSecond = 0, p50Us, p99Us } = total;
    const known = (/** @type {number} */ us) => (us === 0 ? null : us / 1_000);
    this.push(seconds, requestsPerSecond, errorsPerSecond, known(p50Us), known(p99Us));
    for (const name of this.slots.keys()) if (!Object.hasOwn(slots, name)) this.slots.delete(name);
    for (const [name, { requestsPerSecond: perSecond = 0 }] of Object.entries(slots)) {
      const values = this.slots.get(name) ?? [];
      values.push(perSecond);
      if (values.length > SPARK) values.shift();
      this.slots.set(name, values);
    }
    this.version++;
  }

  /**
   * @param {number} seconds @param {number | null} requests @param {number | null} errors
   * @param {number | null} p50 @param {number | null} p99
   */
  push(seconds, requests, errors, p50, p99) {
    const { all, times } = this;
    times.push(seconds);
    all.requests.push(requests);
    all.errors.push(errors);
    all.p50.push(p50);
    all.p99.push(p99);
    if (times.length <= KEPT) return;
    for (const values of [times, all.requests, all.errors, all.p50, all.p99]) values.shift();
  }
}
