// Environment and flags -> one frozen Config, or every fault at once. A flag is the variable's name without TORC_, in
// kebab case (`--heartbeat-path /x` = TORC_HEARTBEAT_PATH=/x) and wins over it. An unknown TORC_* name is a fault,
// because a misspelt setting that is silently ignored is worse than a start that fails (TORC_TEST_* belongs to the
// test suite and is let through).

import { parseArgs } from 'node:util';
import { type Config, fields } from './fields.ts';

export type Loaded =
  | { readonly kind: 'config'; readonly config: Config }
  | { readonly kind: 'help' }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

type FieldKey = keyof typeof fields;
const keys = Object.keys(fields) as FieldKey[];

export const flagOf = (name: string): string =>
  `--${name
    .replace(/^TORC_/, '')
    .toLowerCase()
    .replaceAll('_', '-')}`;

/** Reads settings from `env` and `argv` (without node and the script). Never throws: wrong values come back as faults. */
export function loadConfig(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
): Loaded {
  const faults: string[] = [];
  const flags = readFlags(argv, faults);
  if (flags === 'help') return { kind: 'help' };
  const known = new Set<string>(keys.map(key => fields[key].name));
  for (const name of Object.keys(env)) {
    if (name.startsWith('TORC_') && !name.startsWith('TORC_TEST_') && !known.has(name)) {
      faults.push(unknownName(name, [...known], 'settings: npm start -- --help'));
    }
  }
  const config: Record<string, unknown> = {};
  for (const key of keys) config[key] = readField(key, flags.get(key) ?? env[fields[key].name], faults);
  checkTogether(config as unknown as Config, faults);
  if (faults.length > 0) return { kind: 'faults', faults };
  return { kind: 'config', config: Object.freeze(config) as unknown as Config };
}

function readFlags(argv: readonly string[], faults: string[]): Map<FieldKey, string> | 'help' {
  const flags = new Map<FieldKey, string>();
  const keyOf = new Map(keys.map(key => [flagOf(fields[key].name), key]));
  const options = Object.fromEntries(
    [...keyOf.keys()].map(flag => [flag.slice(2), { type: 'string' as const }]),
  );
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      faults.push(`${shown(token.value)}: is not a flag; allowed: --NAME VALUE (npm start -- --help)`);
      continue;
    }
    if (token.name === 'help' || token.name === 'h') return 'help';
    const key = keyOf.get(token.rawName);
    if (key === undefined) faults.push(unknownName(token.rawName, [...keyOf.keys()], 'npm start -- --help'));
    else if (key === 'adminToken')
      faults.push(
        '--admin-token: a token on the command line is in every process list; allowed: TORC_ADMIN_TOKEN in the environment, --admin-token-file',
      );
    else if (token.value === undefined)
      faults.push(`${token.rawName}: has no value; allowed: ${fields[key].allowed}`);
    else flags.set(key, token.value);
  }
  return flags;
}

function readField(key: FieldKey, given: string | undefined, faults: string[]): unknown {
  const field = fields[key];
  // An empty variable means "not set", as in compose files; only the heartbeat path has a use for an empty value.
  const unset = given === undefined || (given === '' && key !== 'heartbeatPath');
  const text = unset ? field.fallback : given;
  if (text === null)
    return field.allowed.startsWith('a list') || key === 'upstreams' ? Object.freeze([]) : null;
  const parsed = field.schema.safeParse(text);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(issue => issue.message)[0];
  faults.push(`${field.name}: "${shown(text)}" ${wrong}; allowed: ${field.allowed}`);
  return undefined;
}

/** Faults that two settings make together. */
function checkTogether(config: Config, faults: string[]): void {
  if (config.driver === 'static' && config.upstreams?.length === 0) {
    faults.push(
      'TORC_UPSTREAMS: is empty, and TORC_DRIVER=static needs it; allowed: host:port,host:port,...',
    );
  }
  if (config.upstreams?.length > 0 && (config.driver === 'docker' || config.driver === 'process')) {
    faults.push(
      `TORC_UPSTREAMS: is for TORC_DRIVER=static, not ${config.driver}; allowed: unset one of the two`,
    );
  }
  if (config.heartbeatPath === '' && config.driver !== 'static' && config.upstreams?.length === 0) {
    faults.push(
      'TORC_HEARTBEAT_PATH: is empty; allowed: a path that starts with "/" (empty only with TORC_DRIVER=static)',
    );
  }
  checkScaling(config, faults);
  checkAdmin(config, faults);
  if (config.key?.length === 0) faults.push(`TORC_KEY: is empty; allowed: ${fields.key.allowed}`);
}

function checkAdmin({ adminListen, adminPort, adminPaths }: Config, faults: string[]): void {
  const isSocket = adminListen?.startsWith('unix:') === true;
  if (isSocket && adminPort !== null)
    faults.push(
      'TORC_ADMIN_PORT: a unix socket (TORC_ADMIN_LISTEN) has no port; allowed: unset one of the two',
    );
  if (typeof adminListen === 'string' && !isSocket && adminPort === null)
    faults.push(
      'TORC_ADMIN_LISTEN: is an address without a port; allowed: TORC_ADMIN_PORT beside it, or unix:PATH',
    );
  if (adminPaths === 'separate' && adminPort === null && !isSocket)
    faults.push(
      'TORC_ADMIN_PATHS: separate needs a listener of its own; allowed: TORC_ADMIN_PORT or TORC_ADMIN_LISTEN=unix:PATH beside it',
    );
}

function checkScaling({ least, most, replicas, driver, upstreams }: Config, faults: string[]): void {
  if (most === null || most === undefined) return;
  if (driver === 'static' || upstreams?.length > 0)
    faults.push('TORC_MAX: given upstreams cannot be scaled; allowed: unset one of the two');
  if (least > most) faults.push(`TORC_MIN: ${least} is more than TORC_MAX=${most}; allowed: at most as many`);
  else if (replicas < least || replicas > most)
    faults.push(`TORC_REPLICAS: ${replicas} is not from TORC_MIN=${least} to TORC_MAX=${most}`);
}

/** Longer names and values are cut in a fault. */
const LONGEST_SHOWN = 80;
const shown = (value: string): string =>
  value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}...` : value;

function unknownName(name: string, known: readonly string[], where: string): string {
  if (name.length > LONGEST_SHOWN) return `${shown(name)}: is no setting of torc; see ${where}`;
  const nearest = known
    .map(candidate => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const hint = nearest && nearest.distance <= 3 ? `did you mean ${nearest.candidate}?` : `see ${where}`;
  return `${name}: is no setting of torc; ${hint}`;
}

/** Levenshtein distance, for "did you mean". */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** The text of `--help`: every setting with its flag, default and meaning. */
export function helpText(): string {
  const lines = [
    'torc: a self-healing consistent-hash HTTP load balancer',
    '',
    'npm start -- [--flag value]...',
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
