// Where the words of a Compose file come from: the files themselves, `.env` beside the first, the environment. It reads and
// parses, says which file and line a value stands on, and fills variables in; what the words mean is load.ts's. All that is
// found wrong on the way is gathered here, so that it comes at once.

import { isAbsolute, join, relative, resolve } from 'node:path';
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
      const text = this.read(file, listed !== undefined);
      if (text !== null) this.parseEnv(file, () => parseDotenv(text, this.lookup, found));
    }
    for (const [name, value] of found) if (!this.#environment.has(name)) this.#environment.set(name, value);
  }

  /** Documents of one file; several in one are merged like several files. Paths in it are below `directory`. */
  layersOf(file: string, directory: string): Layer[] {
    const text = this.read(file, true);
    if (text === null) return [];
    const documents = parseYaml(text);
    if (!Array.isArray(documents)) {
      this.faults.push(...documents.faults.map(wrong => `${this.#shown(file)}: ${wrong}`));
      return [];
    }
    return documents.flatMap(({ value, lineOf }) => {
      const at = this.placeIn(file, lineOf, directory);
      if (isMap(value)) return [{ value, at }];
      if (value !== null)
        this.faults.push(`${this.#shown(file)}: ${kindOf(value)} stands where a Compose file must`);
      return [];
    });
  }

  placeIn(
    file: string,
    lineOf: YamlDocument['lineOf'],
    directory: string,
    shownPath: (path: Place['path']) => Place['path'] = path => path,
  ): Place {
    return {
      path: [],
      file: this.#shown(file),
      where: path => {
        const shown = shownPath(path);
        return `${this.#shown(file)}:${lineOf(shown)}: ${dotted(shown)}`;
      },
      faults: this.faults,
      resolve: path =>
        resolve(directory, path.startsWith('~') ? (this.#around.env.HOME ?? '~') + path.slice(1) : path),
    };
  }

  /** A value with its variables filled in. */
  filled(value: unknown, at: Place): unknown {
    if (typeof value === 'string') {
      try {
        return interpolate(value, this.lookup, name => this.#onUnset(name, at));
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

  read(file: string, isRequired: boolean): string | null {
    try {
      const text = this.#around.readFile(file);
      if (text === null && isRequired) this.faults.push(`${this.#shown(file)}: there is no such file`);
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
