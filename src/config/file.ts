// The settings file (torc.yaml): every setting by its flag's name, lists where the setting is a list, and `replica:`, a
// Compose service (service/load.ts reads it, with the networks, volumes, secrets and configs that stand beside it). Values
// become the text that a variable would have, so there is one reader for all (load.ts), and each keeps its line for faults.
// No variables are filled in among settings: a `replica-command` has dollars of its own.

import { resolve } from 'node:path';
import { kindOf } from '../service/shape.ts';
import type { Surroundings } from '../service/sources.ts';
import { parseYaml, type YamlDocument } from '../service/yaml.ts';
import { type FieldKey, fields } from './fields.ts';
import { unknownName } from './names.ts';

export const DEFAULT_FILE = 'torc.yaml';
const REPLICA_KEYS = ['replica', 'name', 'networks', 'volumes', 'secrets', 'configs'];

export interface FileSetting {
  readonly text: string;
  /** "torc.yaml:3: replicas". */
  readonly where: string;
}

export interface SettingsFile {
  /** Absolute. */
  readonly path: string;
  readonly settings: ReadonlyMap<FieldKey, FileSetting>;
  /** Whole, where it has a `replica`. */
  readonly document: YamlDocument | null;
}

/** Null where nobody named one and none is there; what is wrong is added to `faults`. */
export function readSettingsFile(
  named: string | undefined,
  keyOf: ReadonlyMap<string, FieldKey>,
  around: Surroundings,
  faults: string[],
): SettingsFile | null {
  const shownName = named ?? DEFAULT_FILE;
  const path = resolve(around.cwd, shownName);
  const text = read(path, shownName, named !== undefined, around, faults);
  if (text === null) return null;
  const documents = parseYaml(text);
  const [document, another] = Array.isArray(documents) ? documents : [];
  if (!Array.isArray(documents)) faults.push(...documents.faults.map(wrong => `${shownName}: ${wrong}`));
  if (another !== undefined) faults.push(`${shownName}: has several documents; allowed: one`);
  if (document === undefined || document.value === null) return { path, settings: new Map(), document: null };
  if (typeof document.value !== 'object' || Array.isArray(document.value)) {
    faults.push(
      `${shownName}: ${kindOf(document.value)} stands where settings must; allowed: NAME: value on each line`,
    );
    return { path, settings: new Map(), document: null };
  }
  const settings = new Map<FieldKey, FileSetting>();
  for (const [name, value] of Object.entries(document.value)) {
    if (REPLICA_KEYS.includes(name) || name.startsWith('x-')) continue;
    const where = `${shownName}:${document.lineOf([name])}: ${name}`;
    const key = keyOf.get(`--${name}`);
    const written = key === undefined ? undefined : asText(key, value);
    if (key === 'configFile') faults.push(`${where}: a settings file names no other; allowed: --config`);
    else if (key === undefined) faults.push(unknownSetting(where, name, [...keyOf.keys()]));
    else if (written === undefined)
      faults.push(`${where}: ${kindOf(value)} stands where one value must; allowed: ${fields[key].allowed}`);
    else if (written !== null) settings.set(key, { text: written, where });
  }
  const hasReplica = Object.hasOwn(document.value, 'replica');
  return { path, settings, document: hasReplica ? document : null };
}

function read(
  path: string,
  shownName: string,
  isNamed: boolean,
  around: Surroundings,
  faults: string[],
): string | null {
  try {
    const text = around.readFile(path);
    if (text === null && isNamed)
      faults.push(`TORC_CONFIG: "${shownName}" is not there; allowed: the path of a settings file`);
    return text;
  } catch (error) {
    faults.push(`${shownName}: cannot be read: ${(error as Error).message}`);
    return null;
  }
}

/** The text that a variable would have; null: not set. */
function asText(key: FieldKey, value: unknown): string | null | undefined {
  if (value === null) return null;
  if (Array.isArray(value)) {
    const items = value.map(item => asText(key, item));
    const isList = fields[key].isList && items.every(item => typeof item === 'string' && !item.includes(','));
    return isList ? items.join(',') : undefined;
  }
  return /^(string|number|bigint|boolean)$/.test(typeof value) ? String(value) : undefined;
}

function unknownSetting(where: string, name: string, flags: readonly string[]): string {
  const known = [...flags.map(flag => flag.slice(2)), ...REPLICA_KEYS];
  // A variable's name is what people have at hand.
  const asFlag = name
    .replace(/^TORC_/, '')
    .toLowerCase()
    .replaceAll('_', '-');
  if (asFlag !== name && known.includes(asFlag))
    return `${where}: is no setting of torc; did you mean ${asFlag}?`;
  return `${where.slice(0, where.length - name.length)}${unknownName(name, known, '--help')}`;
}
