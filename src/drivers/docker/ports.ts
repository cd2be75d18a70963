// On which port a replica listens, where no setting says it: what the service publishes or exposes, else what its environment
// names, else what the image EXPOSEs, if that is one. Several are a fault that lists them: a guess would be a replica that
// never answers, or worse, the wrong port of the right one.

import type { ComposeService } from '../../service/service.ts';

export const USUAL_PORT = 5000;

export type PortFound =
  | { readonly port: number; readonly source: string }
  | { readonly port: null; readonly fault: string };

export function portOf(
  configured: number | null,
  service: ComposeService | null,
  image: { readonly name: string; readonly exposed: readonly string[] },
): PortFound {
  if (configured !== null) return { port: configured, source: 'TORC_REPLICA_PORT' };
  const { ports = [], expose = [], environment = {} } = service ?? {};
  const published = ports.map(({ target, protocol = 'tcp' }) => `${target}/${protocol}`);
  const named = environment.PORT ?? '';
  const candidates = [
    { source: "the service's ports", found: tcpOf(published) },
    { source: "the service's expose", found: tcpOf(expose.flatMap(portsIn)) },
    { source: "PORT in the service's environment", found: /^[1-9]\d{0,4}$/.test(named) ? [named] : [] },
    { source: `EXPOSE of the image ${image.name}`, found: tcpOf(image.exposed) },
  ];
  for (const { source, found } of candidates) {
    if (found.length === 1) return { port: Number(found[0]), source };
    if (found.length > 1)
      return {
        port: null,
        fault: `which port answers requests? ${source} names ${found.join(', ')}: set TORC_REPLICA_PORT=${found[0]}, or another of them`,
      };
  }
  return { port: USUAL_PORT, source: '' };
}

const tcpOf = (ports: readonly string[]): string[] => [
  ...new Set(ports.filter(port => port.endsWith('/tcp')).map(port => port.split('/')[0]!)),
];

/** The TCP ports of what an engine calls ExposedPorts or PortBindings: "80/tcp", or "80", as Compose writes `expose`. */
export const tcpPortsOf = (ports: object | null | undefined): number[] =>
  tcpOf(Object.keys(ports ?? {}).flatMap(portsIn)).map(Number);

/** "3000", "3001/udp" and "4000-4002" of `expose`, one by one: "3000/tcp". */
export function portsIn(text: string): string[] {
  const [, first = '', last = first, protocol = 'tcp'] = /^(\d+)(?:-(\d+))?(?:\/(\w+))?$/.exec(text) ?? [];
  const count = first === '' ? 0 : Number(last) - Number(first) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => `${Number(first) + index}/${protocol}`);
}
