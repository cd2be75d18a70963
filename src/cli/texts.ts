// What torc answered, as a page of a terminal: pure, from the JSON of the control endpoints to lines. Columns are as wide as
// what stands in them; a cause is never cut, because it is what somebody looks for.

import type { z } from 'zod';
import type * as schemas from '../admin/schemas.ts';

type Status = z.infer<typeof schemas.status>;
type Slots = z.infer<typeof schemas.slots>;
type Explanation = z.infer<typeof schemas.explanation>;
type Rollout = z.infer<typeof schemas.rollout>;

export function statusText(status: Status, slots: Slots, url: string, nowMs: number): string {
  const { version, program, replicas, spares, driver, workers, safeToDeploy } = status;
  const upFor = duration(nowMs - Date.parse(status.startedAt));
  const head = [
    `torc ${version} at ${url}, up ${upFor}: ${replicas.ready} of ${replicas.of} replicas ready`,
    `  driver   ${driver.name}${program === null ? '' : `, ${program}`}${driver.reachable ? '' : ` (does not answer: ${driver.cause ?? 'no cause'})`}`,
    `  workers  ${workers.each.length} of ${workers.of}${workers.restarts === 0 ? '' : `, ${workers.restarts} restarted`}`,
    `  ring     ${status.ring.algorithm}, digest ${status.ring.digest}`,
    ...(spares.of === 0 ? [] : [`  spares   ${spares.ready} of ${spares.of} ready`]),
    ...(status.rollout === null ? [] : [`  rollout  ${status.rollout.version}: ${status.rollout.state}`]),
  ];
  // Where nobody said a weight the column would say nothing; where one is 0, a slot that is ready gets no keys.
  const areWeighted = slots.slots.some(({ weight }) => weight !== 1);
  const arePlaced = slots.slots.some(({ machine }) => machine !== undefined);
  const rows = slots.slots.map(slot => [
    slot.name,
    slot.state,
    ...(areWeighted ? [slot.weight === 0 ? '0 (drained)' : `${slot.weight}`] : []),
    slot.replica,
    slot.address,
    ...(arePlaced ? [slot.machine ?? '-'] : []),
    `${slot.inFlight}`,
    `${slot.requests}`,
    `${slot.errors}`,
    milliseconds(slot.lastMinute.p50Us),
    milliseconds(slot.lastMinute.p99Us),
    `${duration(nowMs - Date.parse(slot.lastChange.at))} ago: ${slot.failing?.cause ?? slot.lastChange.cause}`,
  ]);
  const titles = [
    'slot',
    'state',
    ...(areWeighted ? ['weight'] : []),
    'replica',
    'address',
    ...(arePlaced ? ['machine'] : []),
    'in flight',
    'requests',
    'errors',
    'p50',
    'p99',
    'last change',
  ];
  const deploy = safeToDeploy.yes ? 'safe to deploy: yes' : 'safe to deploy: no';
  return [
    ...head,
    '',
    ...columns([titles, ...rows]),
    '',
    deploy,
    ...safeToDeploy.reasons.map(reason => `  ${reason}`),
  ].join('\n');
}

export function weightText({ slots }: Slots, name: string): string {
  const weight = slots.find(slot => slot.name === name)?.weight ?? 0;
  const all = slots.reduce((sum, slot) => sum + slot.weight, 0);
  if (weight === 0) return `slot ${name} is drained: its keys go to their next choices`;
  return `slot ${name} has the weight ${weight} of ${Math.round(all * 100) / 100} in all: ${Math.round((1000 * weight) / all) / 10} % of the keys`;
}

export function explainText(explanation: Explanation): string {
  if (explanation.key === null) return `the key is random: ${explanation.because}`;
  const { key, source, hash, row, rows, algorithm, choices, servedBy, because } = explanation;
  const lines = choices.map(({ slot, state, skipped }, index) => [
    `  ${index + 1}.`,
    slot,
    state,
    slot === servedBy ? 'serves' : (skipped ?? ''),
  ]);
  return [
    `key "${key}" (${source}): hash ${hash}, row ${row} of ${rows} (${algorithm})`,
    ...columns(lines),
    servedBy === null ? `nobody serves it: ${because}` : `slot ${servedBy} serves it: ${because}`,
  ].join('\n');
}

export function rolloutText(rollout: Rollout): string {
  if (rollout.state === 'none') return 'there was no roll-out yet: torc rollout IMAGE begins one';
  const { version, state, done, now, left, why } = rollout;
  const each = [
    ...(done.length === 0 ? [] : [`done: ${done.join(', ')}`]),
    ...(now === null ? [] : [`now: ${now}`]),
    ...(left.length === 0 ? [] : [`left: ${left.join(', ')}`]),
  ];
  return `the roll-out of ${version} ${state === 'running' ? 'is under way' : state}${why === null ? '' : `: ${why}`}\n  ${each.join('; ')}`;
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

const milliseconds = (us: number): string =>
  us === 0 ? '-' : `${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms`;

/** The two largest units: "3 h 2 min". */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ] as const;
  const first = Math.max(
    0,
    units.findIndex(([size]) => seconds >= size),
  );
  if (seconds === 0) return '0 s';
  const parts = units.slice(first, first + 2).map(([size, unit], index) => {
    const count = index === 0 ? Math.floor(seconds / size) : Math.floor((seconds % units[first]![0]) / size);
    return count === 0 ? '' : `${count} ${unit}`;
  });
  return parts.filter(Boolean).join(' ');
}
