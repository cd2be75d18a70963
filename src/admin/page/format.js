// Numbers and times as people read them: few digits, the unit beside them, the same width from one second to the next, so
// that nothing moves but what changed.

const count = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** @param {number} value */
export const whole = value => count.format(value);

/** @param {number | undefined} value */
export function rate(value) {
  if (value === undefined) return '–';
  return value < 100 ? (Math.round(value * 10) / 10).toFixed(value === 0 ? 0 : 1) : count.format(value);
}

/** @param {number} us 0: nothing was measured */
export function latency(us) {
  if (us === 0) return '–';
  if (us < 1_000) return `${us} µs`;
  if (us < 10_000) return `${(us / 1_000).toFixed(1)} ms`;
  return us < 1_000_000 ? `${count.format(us / 1_000)} ms` : `${(us / 1_000_000).toFixed(1)} s`;
}

/** @param {number} part 0 to 1 */
export function percent(part) {
  const value = part * 100;
  return `${value === 0 || value === 100 ? value : value < 10 ? value.toFixed(2) : value.toFixed(1)}\u00a0%`;
}

/** @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** @param {number} ms */
export const milliseconds = ms =>
  ms < 10 ? `${ms} ms` : ms < 10_000 ? `${Math.round(ms)} ms` : duration(ms);

/** @param {number} ms since 1970 */
export const clock = ms => new Date(ms).toTimeString().slice(0, 8);

/** "2" before "10". One collator: localeCompare makes another each time, which a thousand slots feel. */
export const byName = new Intl.Collator('en', { numeric: true }).compare;

/** "1, 2 and 3" @param {readonly string[]} names */
export const list = names =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
