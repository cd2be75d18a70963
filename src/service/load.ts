// Compose files -> one service and what it refers to, in canonical form (service.ts), or every fault with file and line.
// Only what the service needs is read: a variable that another service lacks is no fault here. In the order of the
// specification: variables are filled in, `extends` is followed, the files are merged from the first to the last, then
// env_file is read and names are completed. Nothing here reads a disk: files come by argument, so tests write none.
// https://github.com/compose-spec/compose-spec/blob/main/spec.md

import { basename, dirname, posix, resolve } from 'node:path';
import { nearest } from '../core/nearest.ts';
import { parseDotenv, parseRawEnv } from './dotenv.ts';
import type { Lookup } from './interpolate.ts';
import { serviceShape } from './keys.ts';
import { type ProjectKind, projectShapes } from './keys-project.ts';
import type { ComposeService, ServiceProject } from './service.ts';
import { below, fault, isMap, kindOf, mergeAs, type Place, readAs, settled, unknownKey } from './shape.ts';
import { wordsOf } from './short-syntax.ts';
import { type Layer, type Note, Sources, type Surroundings } from './sources.ts';
import type { YamlDocument } from './yaml.ts';

/** Keys that leave no trace in the canonical service: they are worked in. The rest is for taken.ts to judge. */
export interface RawService extends ComposeService {
  readonly build?: unknown;
  readonly [key: string]: unknown;
}

export interface Loaded {
  readonly project: (Omit<ServiceProject, 'service'> & { readonly service: RawService }) | null;
  readonly faults: readonly string[];
  readonly notes: readonly Note[];
}

const TOP_LEVEL = [
  'name',
  'version',
  'services',
  'networks',
  'volumes',
  'secrets',
  'configs',
  'include',
  'models',
];
const KINDS = Object.keys(projectShapes) as ProjectKind[];

export function loadCompose(
  files: readonly string[],
  serviceName: string | null,
  around: Surroundings,
): Loaded {
  const sources = new Sources(around, dirname(resolve(around.cwd, files[0]!)));
  const layers = files.flatMap(file =>
    sources.layersOf(resolve(around.cwd, file), sources.directory, 'allowed: the path of a Compose file'),
  );
  return new Loader(sources).load(layers, serviceName, true);
}

/** `replica:` of a settings file: its one service, beside which the file may have `networks`, `volumes`, `secrets` and `configs`. */
export function loadReplica(file: string, document: YamlDocument, around: Surroundings): Loaded {
  const sources = new Sources(around, dirname(file));
  const { replica, ...rest } = document.value as Record<string, unknown>;
  const value = {
    services: { replica },
    ...Object.fromEntries(
      Object.entries(rest).filter(([key]) => key === 'name' || KINDS.includes(key as ProjectKind)),
    ),
  };
  const at = sources.placeIn(file, document.lineOf, dirname(file), path =>
    path[0] === 'services' ? path.slice(1) : path,
  );
  return new Loader(sources).load([{ value, at, included: [], isIncluded: false }], 'replica', false);
}

class Loader {
  readonly #sources: Sources;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  load(layers: readonly Layer[], wanted: string | null, isCompose: boolean): Loaded {
    const nothing = (): Loaded => ({
      project: null,
      faults: this.#sources.faults,
      notes: this.#sources.notes,
    });
    if (this.#sources.faults.length > 0) return nothing();
    if (isCompose) this.#checkTopLevel(layers);
    const serviceName = this.#chooseService(layers, wanted);
    if (serviceName === null) return nothing();
    const name = this.#projectName(layers);
    this.#sources.setVariable('COMPOSE_PROJECT_NAME', name);
    let merged: unknown;
    for (const layer of layers)
      merged = mergeAs(serviceShape, merged, this.#serviceOf(layer, serviceName, []));
    const read = settled(merged ?? {}) as Record<string, unknown>;
    const home = layers.findLast(({ value }) => hasService(value, serviceName)) ?? layers[0]!;
    const service = this.#complete(read, home.at, serviceName, isCompose);
    const objects = Object.fromEntries(
      KINDS.map(kind => [
        kind,
        this.#objects(
          kind,
          layers,
          service,
          name,
          below(below(below(home.at, 'services'), serviceName), kind),
        ),
      ]),
    ) as unknown as Pick<ServiceProject, ProjectKind>;
    if (this.#sources.faults.length > 0) return nothing();
    return { project: { name, serviceName, service, ...objects }, faults: [], notes: this.#sources.notes };
  }

  #checkTopLevel(layers: readonly Layer[]): void {
    for (const { value, at } of layers) {
      for (const key of Object.keys(value))
        if (!TOP_LEVEL.includes(key) && !key.startsWith('x-'))
          fault(below(at, key), unknownKey(key, TOP_LEVEL));
    }
  }

  #chooseService(layers: readonly Layer[], wanted: string | null): string | null {
    const names = [
      ...new Set(layers.flatMap(({ value }) => (isMap(value.services) ? Object.keys(value.services) : []))),
    ];
    const file = layers.find(({ isIncluded }) => !isIncluded)?.at.file ?? 'the file';
    if (wanted !== null && names.includes(wanted)) return wanted;
    if (wanted === null && names.length === 1) return names[0]!;
    const listed =
      names.length === 0 ? 'it has no services' : `its services: ${names.slice(0, 20).join(', ')}`;
    const candidate = wanted === null ? null : nearest(wanted, names);
    const hint = candidate === null ? '' : `; did you mean ${candidate}?`;
    this.#sources.faults.push(
      wanted === null
        ? `${file}: which service is a replica? allowed: --service NAME; ${listed}`
        : `${file}: has no service ${wanted}; ${listed}${hint}`,
    );
    return null;
  }

  /** As docker compose names a project: by the environment, the files, or the folder. */
  #projectName(layers: readonly Layer[]): string {
    const written = layers
      .filter(({ isIncluded }) => !isIncluded)
      .map(({ value, at }) => this.#sources.filled(value.name, below(at, 'name')))
      .filter(isText);
    const name =
      this.#sources.lookup('COMPOSE_PROJECT_NAME') || written.at(-1) || basename(this.#sources.directory);
    return (
      name
        .toLowerCase()
        .replace(/[^a-z0-9_-]/g, '')
        .replace(/^[_-]+/, '') || 'torc'
    );
  }

  /** What one file says of a service, on top of what it extends. */
  #serviceOf(layer: Layer, name: string, chain: readonly string[]): unknown {
    const { services } = layer.value;
    const at = below(below(layer.at, 'services'), name);
    if (!isMap(services) || !hasService(layer.value, name)) return undefined;
    const link = `${layer.at.file} ${name}`;
    if (chain.includes(link)) return fault(at, `extends itself: ${[...chain, link].join(' -> ')}`);
    const filled = this.#sources.filled(services[name], at);
    if (!isMap(filled)) return readAs(serviceShape, filled, at);
    const { extends: extended, ...own } = filled;
    const read = readAs(serviceShape, own, at);
    if (extended === undefined || extended === null) return read;
    return mergeAs(
      serviceShape,
      this.#extended(layer, extended, below(at, 'extends'), [...chain, link]),
      read,
    );
  }

  #extended(layer: Layer, extended: unknown, at: Place, chain: readonly string[]): unknown {
    const { service, file } = isMap(extended) ? extended : { service: extended, file: undefined };
    if (typeof service !== 'string' || (file !== undefined && typeof file !== 'string'))
      return fault(at, `${kindOf(extended)} names no service; allowed: NAME, or {file: PATH, service: NAME}`);
    const path = file === undefined ? null : at.resolve(file);
    const layers =
      path === null ? [layer] : this.#sources.layersOf(path, dirname(path), `${at.where(at.path)} names it`);
    const having = layers.filter(({ value }) => hasService(value, service));
    if (having.length === 0 && layers.length > 0)
      return fault(at, `there is no service ${service}${file === undefined ? '' : ` in ${file}`}`);
    return having.reduce(
      (merged: unknown, one) => mergeAs(serviceShape, merged, this.#serviceOf(one, service, chain)),
      undefined,
    );
  }

  /** What several keys say together, and what is implied. */
  #complete(read: Record<string, unknown>, at: Place, name: string, isCompose: boolean): RawService {
    const place = below(below(at, 'services'), name);
    const { env_file, label_file, environment = {}, labels, depends_on, ...rest } = read;
    // A child process gets its command line as a shell would, a container gets words: there Compose's rule holds.
    const isContainer = rest.image !== undefined || rest.build !== undefined;
    const words = (key: string): unknown => {
      const written = rest[key];
      if (typeof written !== 'string') return written ?? null;
      return isContainer ? wordsOf(written, below(place, key)) : ['/bin/sh', '-c', written];
    };
    const variables = this.#variables(environment as Record<string, string | null>, env_file, place);
    const allLabels = this.#labels(labels as Record<string, string> | undefined, label_file);
    const usesNetworks =
      isCompose &&
      isContainer &&
      rest.network_mode === undefined &&
      Object.keys(rest.networks ?? {}).length === 0;
    const needed = { ...linked(rest.links), ...(depends_on as object | undefined) };
    return {
      ...rest,
      ...(isContainer
        ? {}
        : { working_dir: at.resolve(typeof rest.working_dir === 'string' ? rest.working_dir : '.') }),
      ...(Object.keys(needed).length === 0 ? {} : { depends_on: needed }),
      command: words('command') as readonly string[] | null,
      entrypoint: words('entrypoint') as readonly string[] | null,
      ...(Object.keys(variables).length === 0 ? {} : { environment: variables }),
      ...(Object.keys(allLabels).length === 0 ? {} : { labels: allLabels }),
      ...(usesNetworks ? { networks: { default: null } } : {}),
      ...(rest.volumes === undefined
        ? {}
        : { volumes: (rest.volumes as { target: string }[]).map(withCleanTarget) }),
      ...(rest.secrets === undefined
        ? {}
        : { secrets: (rest.secrets as { source: string }[]).map(withTarget) }),
    } as RawService;
  }

  #variables(own: Record<string, string | null>, files: unknown, at: Place): Record<string, string | null> {
    const said = new Map(
      Object.entries(own).map(([key, value]) => [key, value ?? this.#sources.lookup(key) ?? null]),
    );
    const values = new Map([...said].filter((entry): entry is [string, string] => entry[1] !== null));
    const lookup: Lookup = name => this.#sources.lookup(name) ?? said.get(name) ?? undefined;
    for (const { path, required, format } of (files ?? []) as {
      path: string;
      required: boolean;
      format?: string;
    }[]) {
      if (format !== undefined && format !== 'raw') {
        fault(below(at, 'env_file'), `format ${format} is none; allowed: raw, or leave it out`);
        continue;
      }
      const text = this.#sources.read(
        path,
        required ? 'env_file names it (required: false lets it be missing)' : null,
      );
      const parse = format === 'raw' ? parseRawEnv : parseDotenv;
      if (text !== null) this.#sources.parseEnv(path, () => parse(text, lookup, values));
    }
    return Object.fromEntries([...values, ...said]);
  }

  #labels(own: Record<string, string> | undefined, files: unknown): Record<string, string> {
    const values = new Map<string, string>();
    for (const path of (files ?? []) as string[]) {
      const text = this.#sources.read(path, 'label_file names it');
      if (text !== null) this.#sources.parseEnv(path, () => parseDotenv(text, undefined, values));
    }
    return { ...Object.fromEntries(values), ...own };
  }

  /** The networks, volumes, secrets or configs that the service names. */
  #objects(
    kind: ProjectKind,
    layers: readonly Layer[],
    service: RawService,
    project: string,
    at: Place,
  ): object {
    const found = referred(kind, service).map((key): [string, unknown] => {
      let merged: unknown;
      let isThere = (kind === 'networks' && key === 'default') || key.includes('{{');
      for (const { value, at: top } of layers) {
        const all = value[kind];
        if (!isMap(all) || !Object.hasOwn(all, key)) continue;
        isThere = true;
        const place = below(below(top, kind), key);
        merged = mergeAs(
          projectShapes[kind],
          merged,
          readAs(projectShapes[kind], this.#sources.filled(all[key], place), place),
        );
      }
      if (!isThere) fault(at, `${key} is not among the ${kind} of the file`);
      return [key, this.#object(kind, key, (settled(merged) ?? {}) as Record<string, unknown>, project, at)];
    });
    return Object.fromEntries(found);
  }

  #object(
    kind: ProjectKind,
    key: string,
    object: Record<string, unknown>,
    project: string,
    at: Place,
  ): object {
    const { external, ...rest } = object;
    const name = object.name ?? (external === true ? key : `${project}_${key}`);
    const variable = object.environment as string | undefined;
    const content = variable === undefined ? object.content : this.#sources.lookup(variable);
    if (variable !== undefined && content === undefined)
      fault(at, `${key} is the variable ${variable}, which is not set`);
    if (
      (kind === 'secrets' || kind === 'configs') &&
      external !== true &&
      content === undefined &&
      rest.file === undefined
    )
      fault(
        at,
        `${key} says nowhere what it is; allowed: file, environment${kind === 'configs' ? ', content' : ''}`,
      );
    return {
      ...rest,
      name,
      ...(external === true ? { external } : {}),
      ...(content === undefined ? {} : { content }),
    };
  }
}

const hasService = ({ services }: Layer['value'], name: string): boolean =>
  isMap(services) && Object.hasOwn(services, name);

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const withCleanTarget = (volume: { readonly target: string }): object => ({
  ...volume,
  target: posix.join('/', volume.target).replace(/(?<=.)\/$/, ''),
});

const withTarget = (secret: { readonly source: string; readonly target?: string }): object => ({
  ...secret,
  target: secret.target ?? `/run/secrets/${secret.source}`,
});

function referred(kind: ProjectKind, service: RawService): string[] {
  if (kind === 'networks') return Object.keys(service.networks ?? {});
  if (kind !== 'volumes') return [...new Set((service[kind] ?? []).map(({ source }) => source))];
  const volumes = (service.volumes ?? []).filter(
    ({ type, source }) => type === 'volume' && source !== undefined,
  );
  return [...new Set(volumes.map(({ source }) => source!))];
}

/** A link is a dependency that restarts with its target. */
const linked = (links: unknown): object =>
  Object.fromEntries(
    ((links ?? []) as readonly string[]).map(link => [
      link.split(':')[0]!,
      { condition: 'service_started', restart: true, required: true },
    ]),
  );
