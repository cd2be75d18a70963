// What other settings change in a running torc: each setting that has another value, sorted by what its row says it needs.
// Pure. What needs a restart keeps its value until then, and so does what belongs to another driver than the running one:
// the settings in force are those of before with all the rest of the new ones, and they have to hold together as such.

import { checkTogether } from './check.ts';
import { type Config, type FieldKey, fields } from './fields.ts';
import { type Changes, DRIVERS, type DriverName } from './kinds.ts';
import type { Origin, Settings } from './load.ts';

export interface Change {
  /** The setting's, or "replica": what the service says of it. */
  readonly name: string;
  /** As somebody would write it; null: not set. */
  readonly from: string | null;
  readonly to: string | null;
}

export interface Comparison {
  readonly live: readonly Change[];
  readonly rollout: readonly Change[];
  readonly restart: readonly Change[];
  /** What holds from now on. */
  readonly settings: Settings;
  /** What the next start reads where it is another value than the one in force. */
  readonly waiting: ReadonlyMap<FieldKey, Origin>;
  readonly faults: readonly string[];
}

const keys = Object.keys(fields) as FieldKey[];

export const HIDDEN = '(hidden)';

/** What people are shown of a value. */
export const shownValue = (key: FieldKey, { text }: Origin): string | null =>
  text !== null && fields[key].isSecret ? HIDDEN : text;

/** `before`: the settings in force; `driver`: the one that serves. */
export function compareSettings(before: Settings, after: Settings, driver: DriverName): Comparison {
  const isOther = after.config.driver !== 'auto' && after.config.driver !== driver;
  const config: Record<string, unknown> = { ...after.config };
  const origins = new Map(after.origins);
  const waiting = new Map<FieldKey, Origin>();
  const vanished: string[] = [];
  const found: Record<Changes, Change[]> = { live: [], rollout: [], restart: [] };
  const keep = (key: FieldKey): void => {
    config[key] = before.config[key];
    origins.set(key, before.origins.get(key)!);
  };
  for (const key of keys) {
    const [from, to] = [before.origins.get(key)!, after.origins.get(key)!];
    const isSame = JSON.stringify(before.config[key]) === JSON.stringify(after.config[key]);
    if (isSame || (key === 'driver' && !isOther)) {
      if (key === 'driver') keep(key);
      continue;
    }
    const { name, changes, readBy } = fields[key];
    const isForeign = !readBy.includes(driver) || (isOther && readBy.length < DRIVERS.length);
    const needs = isForeign ? 'restart' : changes;
    found[needs].push({ name, from: shownValue(key, from), to: shownValue(key, to) });
    if (needs !== 'restart') continue;
    keep(key);
    waiting.set(key, to);
  }
  if (JSON.stringify(before.config.service ?? null) !== JSON.stringify(after.config.service ?? null)) {
    const change: Change = { name: 'replica', from: nameOf(before.config), to: nameOf(after.config) };
    found[isOther ? 'restart' : 'rollout'].push(change);
    if (isOther) config.service = before.config.service;
  }
  if (isFromFile(before) && !isFromFile(after))
    vanished.push(
      'TORC_CONFIG: the settings file is gone or empty, which is most likely a mistake; put it back, or restart torc to run without',
    );
  const settings: Settings = {
    ...after,
    config: Object.freeze(config) as unknown as Config,
    meant: isOther ? before.meant : after.meant,
    origins,
  };
  return {
    ...found,
    settings,
    waiting,
    faults: [...vanished, ...faultsOf(settings, after.config.driver, found.restart)],
  };
}

/** Faults that the settings make only as long as some of them keep their old value. */
function faultsOf(
  { config, meant, origins }: Settings,
  wanted: Config['driver'],
  restart: readonly Change[],
): string[] {
  if (restart.length === 0 && wanted === config.driver) return [];
  const faults: string[] = [];
  const given = keys.filter(key => !['default', 'derived'].includes(origins.get(key)!.from));
  checkTogether(config, given, meant, faults);
  const names = restart.length === 0 ? fields.driver.name : restart.map(({ name }) => name).join(', ');
  return faults.map(fault => `${fault}; now, because a running torc does not change ${names}: restart it`);
}

/** An editor may empty a file before it fills it. */
const isFromFile = ({ origins, config }: Settings): boolean =>
  [...origins.values()].some(({ from }) => from === 'file') ||
  (config.service != null && config.compose.length === 0);

/** The service in a word: people look at the file for the rest. */
const nameOf = ({ service }: Config): string | null => service?.serviceName ?? null;
