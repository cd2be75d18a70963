// Environment, flags and the settings file -> one frozen Config, or every fault at once. A flag is the variable's name
// without TORC_, in kebab case (`--heartbeat-path /x` = TORC_HEARTBEAT_PATH=/x) and wins over it, and both win over the
// file. An unknown name is a fault, because a misspelt setting that is silently ignored is worse than a start that fails
// (TORC_TEST_* belongs to the test suite and is let through). Files come by argument: nothing here reads a disk.

import { parseArgs } from 'node:util';
import type { Note, Surroundings } from '../service/sources.ts';
import { checkTogether, type Meant, meantBy } from './check.ts';
import { type Config, type FieldKey, fields } from './fields.ts';
import { type FileSetting, readSettingsFile, type SettingsFile } from './file.ts';
import { linkVariables } from './links.ts';
import { shown, unknownName } from './names.ts';
import { type Replica, readReplica } from './replica.ts';

/** Where a setting's value is from. */
export interface Origin {
  /** `derived`: from other settings, `where` says which. */
  readonly from: 'default' | 'file' | 'environment' | 'flag' | 'derived';
  /** "torc.yaml:3", the name of the variable or flag; '' for a default. */
  readonly where: string;
  /** As somebody would write it; null: not set. */
  readonly text: string | null;
}

export interface Settings {
  /** Its `driver` is `auto` only where no other setting decides for one. */
  readonly config: Config;
  /** What decided for the driver where TORC_DRIVER did not. */
  readonly meant: Meant | null;
  /** Variables that look like settings and are Kubernetes' or Docker's. */
  readonly passedOver: readonly string[];
  /** What became of a Compose service's words that are not the driver's. */
  readonly notes: readonly Note[];
  readonly origins: ReadonlyMap<FieldKey, Origin>;
}

export type Loaded =
  | ({ readonly kind: 'config' } & Settings)
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/**
 * `docker compose up -d` stops all containers of a service before it starts the first new one: a second for programs that
 * heed SIGTERM, more than ten for those that do not.
 */
const FOLLOW_HOLD_MS = 30_000;

const keys = Object.keys(fields) as FieldKey[];

/** `--service` stands beside `--compose`, so Swarm's service says whose it is. */
const FLAGS: Readonly<Record<string, string>> = {
  TORC_COMPOSE_SERVICE: '--service',
  TORC_SERVICE: '--swarm-service',
};

export const flagOf = (name: string): string =>
  FLAGS[name] ??
  `--${name
    .replace(/^TORC_/, '')
    .toLowerCase()
    .replaceAll('_', '-')}`;

const NO_FILES = { cwd: '/', readFile: (): null => null };

/** Reads settings from `env` and `argv` (without node and the script). Never throws: wrong values come back as faults. */
export function loadConfig(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
  files: Pick<Surroundings, 'cwd' | 'readFile'> = NO_FILES,
): Loaded {
  const faults: string[] = [];
  const flags = readFlags(argv, faults);
  const known = new Set<string>(keys.map(key => fields[key].name));
  const links = linkVariables(env);
  for (const name of Object.keys(env)) {
    if (name.startsWith('TORC_') && !name.startsWith('TORC_TEST_') && !known.has(name) && !links.has(name)) {
      faults.push(unknownName(name, [...known], 'settings: --help'));
    }
  }
  const around: Surroundings = { ...files, env };
  const named = (key: FieldKey): Origin | null => {
    const { name } = fields[key];
    const flag = flags.get(key);
    if (flag !== undefined) return { from: 'flag', where: flagOf(name), text: flag };
    if (links.has(name) || isUnset(key, env[name])) return null;
    return { from: 'environment', where: name, text: env[name]! };
  };
  const file = readSettingsFile(named('configFile')?.text ?? undefined, keyOfFlag, around, faults);
  const config: Record<string, unknown> = {};
  const given: FieldKey[] = [];
  const origins = new Map<FieldKey, Origin>();
  for (const key of keys) {
    const ofFile = file?.settings.get(key);
    const origin = named(key) ?? (ofFile === undefined ? DEFAULT : inFile(ofFile));
    const text = origin.text ?? undefined;
    const isGiven = !isUnset(key, text);
    if (isGiven) given.push(key);
    origins.set(key, isGiven ? origin : { ...DEFAULT, text: fields[key].fallback });
    const where = origin.from === 'file' ? ofFile?.where : undefined;
    config[key] = readField(key, text, where ?? fields[key].name, faults);
  }
  const read = { ...config };
  const replica = readReplica(config, new Set(given), file, around, faults);
  config.service = replica?.project ?? null;
  const byService = given.includes('swarmService') ? null : replica?.meant;
  const meant = config.driver === 'auto' ? (byService ?? meantBy(given)) : null;
  if (meant !== null) config.driver = meant.driver;
  if (config.driver === 'follow') config.holdMs ??= FOLLOW_HOLD_MS;
  for (const key of keys)
    if (config[key] !== read[key])
      origins.set(key, { from: 'derived', where: derivedFrom(key, meant, replica), text: `${config[key]}` });
  checkTogether(config as unknown as Config, given, meant, faults);
  if (faults.length > 0) return { kind: 'faults', faults: faults.map(fault => placed(fault, origins, file)) };
  return {
    kind: 'config',
    config: Object.freeze(config) as unknown as Config,
    meant,
    passedOver: [...links],
    notes: replica?.notes ?? [],
    origins,
  };
}

/** A setting of a file is looked for by its line. */
function placed(fault: string, origins: Settings['origins'], file: SettingsFile | null): string {
  const [start, name] = /^([A-Z_]+): /.exec(fault) ?? [];
  const key = keys.find(each => fields[each].name === name);
  const where = key !== undefined && origins.get(key)?.from === 'file' && file?.settings.get(key)?.where;
  return where ? `${where}: ${fault.slice(start!.length)}` : fault;
}

const DEFAULT: Origin = { from: 'default', where: '', text: null };

/** Its line, without the name that stands behind it. */
const inFile = ({ text, where }: FileSetting): Origin => ({
  from: 'file',
  where: where.slice(0, where.lastIndexOf(': ')),
  text,
});

function derivedFrom(key: FieldKey, meant: Meant | null, replica: Replica | null): string {
  if (key === 'driver') return meant?.by ?? '';
  return key === 'holdMs' ? fields.driver.name : (replica?.title ?? '');
}

const keyOfFlag: ReadonlyMap<string, FieldKey> = new Map(keys.map(key => [flagOf(fields[key].name), key]));

function readFlags(argv: readonly string[], faults: string[]): Map<FieldKey, string> {
  const flags = new Map<FieldKey, string>();
  const options = Object.fromEntries(
    [...keyOfFlag.keys()].map(flag => [flag.slice(2), { type: 'string' as const }]),
  );
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  /** Where the value of a name that nobody knows stands, if it has one. */
  let valueIndex = -1;
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      if (token.index === valueIndex) continue;
      faults.push(`${shown(token.value)}: is not a flag; allowed: --NAME VALUE (see --help)`);
      continue;
    }
    const key = keyOfFlag.get(token.rawName);
    if (key === undefined) {
      faults.push(unknownName(token.rawName, [...keyOfFlag.keys()], '--help'));
      if (token.value === undefined) valueIndex = token.index + 1;
    } else if (key === 'adminToken')
      faults.push(
        '--admin-token: a token on the command line is in every process list; allowed: TORC_ADMIN_TOKEN in the environment, --admin-token-file',
      );
    else if (token.value === undefined)
      faults.push(`${token.rawName}: has no value; allowed: ${fields[key].allowed}`);
    else
      flags.set(key, key === 'compose' && flags.has(key) ? `${flags.get(key)},${token.value}` : token.value);
  }
  return flags;
}

/** An empty variable means "not set", as in compose files; only the heartbeat path has a use for an empty value. */
const isUnset = (key: FieldKey, text: string | undefined): boolean =>
  text === undefined || (text === '' && key !== 'heartbeatPath');

function readField(key: FieldKey, given: string | undefined, name: string, faults: string[]): unknown {
  const field = fields[key];
  const text = isUnset(key, given) ? field.fallback : given!;
  if (text === null) return field.isList ? Object.freeze([]) : null;
  const parsed = field.schema.safeParse(text);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(issue => issue.message)[0];
  faults.push(`${name}: "${shown(text)}" ${wrong}; allowed: ${field.allowed}`);
  return undefined;
}

/** The end of `torc --help`: every setting with its flag, default and meaning. */
export function settingsHelp(): string {
  const lines = [
    'Settings come from flags, the environment, and torc.yaml (--config FILE): heartbeat-path: /x on a line of its own.',
    'What a replica is: --image, --replica-command, a Compose service (--compose FILE --service NAME), or replica: in torc.yaml.',
    '',
  ];
  for (const key of keys) {
    const field = fields[key];
    const unit = field.unit === '' ? '' : ` ${field.unit}`;
    lines.push(`  ${flagOf(field.name)}, ${field.name}`);
    lines.push(`      ${field.meaning}`);
    lines.push(
      `      default: ${field.fallback ?? '-'}${field.fallback === null ? '' : unit}; allowed: ${field.allowed}`,
    );
  }
  return lines.join('\n');
}
