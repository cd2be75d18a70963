// What is one replica's own in a service that all share: `{{slot}}` and `{{generation}}` in its environment, its hostname, the
// sources and targets of its volumes and the names of named volumes. Filled before anything is translated, so the rest of
// the driver knows of no placeholders. Whole strings are searched and nothing is evaluated: a template language would make
// a value that only looks like one (Go's, Jinja's) into a fault.

import type { ServiceProject, ServiceVolume } from '../../service/service.ts';

export interface Seat {
  readonly slot: string;
  readonly generation: number;
}

const mapValues = <T, U>(
  record: Readonly<Record<string, T>>,
  change: (value: T) => U,
): Readonly<Record<string, U>> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));

export function fillIn(project: ServiceProject, { slot, generation }: Seat): ServiceProject {
  const fill = (text: string): string =>
    text.replaceAll('{{slot}}', slot).replaceAll('{{generation}}', String(generation));
  const { service } = project;
  const fillVolume = (volume: ServiceVolume): ServiceVolume => ({
    ...volume,
    target: fill(volume.target),
    ...(volume.source === undefined ? {} : { source: fill(volume.source) }),
  });
  return {
    ...project,
    service: {
      ...service,
      ...(service.environment === undefined
        ? {}
        : { environment: mapValues(service.environment, value => (value === null ? null : fill(value))) }),
      ...(service.hostname === undefined ? {} : { hostname: fill(service.hostname) }),
      ...(service.volumes === undefined ? {} : { volumes: service.volumes.map(fillVolume) }),
    },
    volumes: mapValues(project.volumes, volume => ({ ...volume, name: fill(volume.name) })),
  };
}

/** Has each slot data of its own? */
export function hasVolumesPerSlot({ service, volumes }: ServiceProject): boolean {
  const texts = (service.volumes ?? []).flatMap(({ source = '' }) => [source, volumes[source]?.name ?? '']);
  return texts.some(text => text.includes('{{slot}}'));
}
