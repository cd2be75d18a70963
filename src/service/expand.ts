// {{slot}}, {{generation}} and {{port}} in a service: what differs from replica to replica. Compose has no such words
// (N containers of one service are alike there), and people need them for a data folder of each slot's own. They may stand
// wherever text stands, also in the name of a volume; other {{words}}, such as Docker's templates for logs, stay.

import type { ServiceProject } from './service.ts';

export interface SlotWords {
  readonly slot: string;
  readonly generation: number;
  readonly port: number;
}

const PLACEHOLDER = /\{\{ ?(slot|generation|port) ?\}\}/g;

export const expandText = (text: string, words: SlotWords): string =>
  text.replace(PLACEHOLDER, (_match, word: keyof SlotWords) => String(words[word]));

/** Secrets' and configs' contents are left as they are: they are files, not words about a replica. */
export function expand(project: ServiceProject, words: SlotWords): ServiceProject {
  const { service, volumes, networks } = project;
  return {
    ...project,
    service: expandDeep(service, words),
    volumes: expandDeep(volumes, words),
    networks: expandDeep(networks, words),
  };
}

function expandDeep<T>(value: T, words: SlotWords): T {
  const inside = (part: unknown): unknown => {
    if (typeof part === 'string') return expandText(part, words);
    if (Array.isArray(part)) return part.map(inside);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(
      Object.entries(part).map(([key, one]) => [expandText(key, words), inside(one)]),
    );
  };
  return inside(value) as T;
}

/** Which driver a service asks for: an image means containers, a command without one child processes. */
export function driverOf(service: ServiceProject['service']): 'docker' | 'process' {
  return service.image === undefined ? 'process' : 'docker';
}
