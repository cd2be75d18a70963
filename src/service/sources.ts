// Where the words of a Compose file come from: the files themselves, `.env` beside the first, the environment. It reads and
// parses, says which file and line a value stands on, and fills variables in; what the words mean is load.ts's. All that is
// found wrong on the way is gathered here, so that it comes at once.

import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { DotenvError, parseDotenv } from './dotenv.ts';
import { interpolate, type Lookup, TemplateError } from './interpolate.ts';
import { below, dotted, fault, isMap, kindOf, type Place } from './shape.ts';
import { Override, parseYaml, type YamlDocument } from './yaml.ts';

export interface Note {
  readonly level: 'info' | 'warn';
  readonly text: string;
}

/** What loading asks of the outside. */
export interface Surroundings {
  /** Absolute; relative names on the command line are below it. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Null where there is no such file; throws what else goes wrong. */
  readonly readFile: (path: string) => string | null;
}

/** What one file says. */
export interface Layer {
  readonly value: Readonly<Record<string, unknown>>;
  readonly at: Place;
  /** What it includes; these stand before it in the order of files, too. */
  readonly included: readonly Layer[];
  readonly isIncluded: boolean;
}

/** Whose variables and folder a file has: those of the project, or of an `include`. */
interface Scope {
  readonly directory: string;
  readonly lookup: Lookup;
  /** Files that include each other on the way to this one. */
  readonly chain: readonly string[];
}

export class Sources {
  readonly faults: string[] = [];
  readonly notes: Note[] = [];
  /** Relative paths are below it, as in Compose: the first file's. */
  readonly directory: string;
  readonly #around: Surroundings;
  readonly #environment: Map<string, string>;
  readonly #unset = new Set<string>();
  readonly lookup: Lookup = name => this.#environment.get(name);

  constructor(around: Surroundings, directory: string) {
    this.#around = around;
    this.directory = directory;
    this.#environment = new Map(
      Object.entries(around.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    this.#readDotEnv();
  }

  setVariable(name: string, value: string): void {
    this.#environment.set(name, value);
  }

  /** The environment wins over `.env`. */
  #readDotEnv(): void {
    const listed = this.#around.env.COMPOSE_ENV_FILES;
    const files = listed?.split(',').map(file => resolve(this.#around.cwd, file)) ?? [
      join(this.directory, '.env'),
    ];
    const found = new Map<string, string>();
    for (const file of files) {
      const text = this.read(file, listed === undefined ? null : 'COMPOSE_ENV_FILES names it');
      if (text !== null) this.parseEnv(file, () => parseDotenv(text, this.lookup, found));
    }
    for (const [name, value] of found) if (!this.#environment.has(name)) this.#environment.set(name, value);
  }

  /** Documents of one file, and before them what it includes; several are merged like several files. Paths in it are below `directory`. */
  layersOf(file: string, directory: string, wanted: string): Layer[] {
    return this.#layersIn(file, { directory, lookup: this.lookup, chain: [] }, wanted);
  }

  #layersIn(file: string, scope: Scope, wanted: string): Layer[] {
    const text = this.read(file, wanted);
    if (text === null) return [];
    const documents = parseYaml(text);
    if (!Array.isArray(documents)) {
      this.faults.push(...documents.faults.map(wrong => `${this.#shown(file)}: ${wrong}`));
      return [];
    }
    return documents.flatMap(({ value, lineOf }) => {
      const at = this.#placeFor(file, lineOf, scope, path => path);
      if (isMap(value)) {
        const included = this.#included(value.include, below(at, 'include'), {
          ...scope,
          chain: [...scope.chain, file],
        });
        return [...included, { value, at, included, isIncluded: scope.chain.length > 0 }];
      }
      if (value !== null)
        this.faults.push(`${this.#shown(file)}: ${kindOf(value)} stands where a Compose file must`);
      return [];
    });
  }

  /** Each with its own folder and `.env`; what the outer file's variables say wins. */
  #included(include: unknown, at: Place, { lookup, chain }: Scope): Layer[] {
    if (include === undefined || include === null) return [];
    if (!Array.isArray(include)) return fault(at, `${kindOf(include)} stands where a list must`) ?? [];
    return include.flatMap((one, index) => {
      const place = below(at, index);
      const filled = this.filled(one, place);
      const entry = isMap(filled) ? filled : { path: filled };
      const paths = textsOf(entry.path).map(path => place.resolve(path));
      if (paths.length === 0)
        return fault(place, 'names no file; allowed: PATH, or {path, project_directory, env_file}') ?? [];
      const cycle = paths.find(path => chain.includes(path));
      if (cycle !== undefined) return fault(place, `${this.#shown(cycle)} includes itself`) ?? [];
      const [folder] = textsOf(entry.project_directory);
      const directory = folder === undefined ? dirname(paths[0]!) : place.resolve(folder);
      const named = textsOf(entry.env_file).map(path => place.resolve(path));
      const found = new Map<string, string>();
      for (const path of named.length > 0 ? named : [join(directory, '.env')]) {
        const text = this.read(path, named.length > 0 ? `${place.where(place.path)} names it` : null);
        if (text !== null) this.parseEnv(path, () => parseDotenv(text, lookup, found));
      }
      const scope = { directory, chain, lookup: (name: string) => lookup(name) ?? found.get(name) };
      return paths.flatMap(path => this.#layersIn(path, scope, `${place.where(place.path)} names it`));
    });
  }

  placeIn(
    file: string,
    lineOf: YamlDocument['lineOf'],
    directory: string,
    shownPath: (path: Place['path']) => Place['path'],
  ): Place {
    return this.#placeFor(file, lineOf, { directory, lookup: this.lookup, chain: [] }, shownPath);
  }

  #placeFor(
    file: string,
    lineOf: YamlDocument['lineOf'],
    { directory, lookup }: Scope,
    shownPath: (path: Place['path']) => Place['path'],
  ): Place {
    return {
      path: [],
      file: this.#shown(file),
      where: path => {
        const shown = shownPath(path);
        return `${this.#shown(file)}:${lineOf(shown)}: ${dotted(shown)}`;
      },
      faults: this.faults,
      lookup,
      resolve: path =>
        path.startsWith('/')
          ? path
          : resolve(directory, path.startsWith('~') ? (this.#around.env.HOME ?? '~') + path.slice(1) : path),
    };
  }

  /** A value with its variables filled in. */
  filled(value: unknown, at: Place): unknown {
    if (typeof value === 'string') {
      try {
        return interpolate(value, at.lookup, name => this.#onUnset(name, at));
      } catch (error) {
        if (error instanceof TemplateError) return fault(at, error.message) ?? '';
        throw error;
      }
    }
    if (value instanceof Override) return new Override(this.filled(value.value, at));
    if (Array.isArray(value)) return value.map((part, index) => this.filled(part, below(at, index)));
    if (!isMap(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, part]) => [key, this.filled(part, below(at, key))]),
    );
  }

  #onUnset(name: string, at: Place): void {
    if (this.#unset.has(name)) return;
    this.#unset.add(name);
    this.note(
      'warn',
      `${at.where(at.path)}: the variable ${name} is not set, nothing stands in its place; where the program's own is meant, write $$${name}`,
    );
  }

  /** `wanted`: who needs the file, in words of a fault; null: it may be missing. */
  read(file: string, wanted: string | null): string | null {
    try {
      const text = this.#around.readFile(file);
      if (text === null && wanted !== null)
        this.faults.push(`${this.#shown(file)}: there is no such file; ${wanted}`);
      return text;
    } catch (error) {
      this.faults.push(`${this.#shown(file)}: cannot be read: ${(error as Error).message}`);
      return null;
    }
  }

  parseEnv(file: string, parse: () => unknown): void {
    try {
      parse();
    } catch (error) {
      if (!(error instanceof DotenvError)) throw error;
      this.faults.push(`${this.#shown(file)}: ${error.message}`);
    }
  }

  note(level: Note['level'], text: string): void {
    this.notes.push({ level, text });
  }

  /** As short as a person would type it. */
  #shown(file: string): string {
    const short = relative(this.#around.cwd, file);
    return short.startsWith('..') || isAbsolute(short) ? file : short;
  }
}

const textsOf = (value: unknown): string[] =>
  [value].flat().filter((one): one is string => typeof one === 'string' && one !== '');
