// The networks, volumes, secrets and configs of a Compose file, which services name: what may stand there. Apart from the
// services' own keys (keys.ts) because only those that the one service names are ever read.

import { anyText, asText, hostPath, text, truth } from './scalars.ts';
import { isMap, list, named, type Shape, single, struct } from './shape.ts';
import { mapping } from './short-syntax.ts';

/** `external: {name: x}` is the old way to say `external: true` and `name: x`. */
const external: Shape = single((value, at) =>
  isMap(value) ? (asText(value.name) ?? true) : truth.read(value, at),
);
const ofProject = (fields: Readonly<Record<string, Shape>>): Shape =>
  struct(
    { name: text, external, labels: mapping, driver: text, driver_opts: named(anyText), ...fields },
    read => (typeof read.external === 'string' ? { name: read.external, ...read, external: true } : read),
  );

export const projectShapes = {
  networks: ofProject({
    internal: truth,
    attachable: truth,
    enable_ipv4: truth,
    enable_ipv6: truth,
    ipam: struct({
      driver: text,
      config: list(
        struct({ subnet: text, ip_range: text, gateway: text, aux_addresses: named(text) }),
        item => String((item as { subnet?: unknown }).subnet),
      ),
      options: named(text),
    }),
  }),
  volumes: ofProject({}),
  secrets: ofProject({ environment: text, file: hostPath, template_driver: text }),
  configs: ofProject({ content: text, environment: text, file: hostPath, template_driver: text }),
} satisfies Readonly<Record<string, Shape>>;

export type ProjectKind = keyof typeof projectShapes;
