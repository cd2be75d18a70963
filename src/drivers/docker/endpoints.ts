// Which networks a replica is on. Its service's, with the service's name and aliases, so that it finds the database and is
// found; and torc's own besides, on which torc reaches it. One rule for every service: whether torc itself can reach the
// service's networks depends on where torc runs, and several torcs are told apart by theirs. The service's first network is
// the container's own, as Compose makes it. Where TORC_NETWORK names a network of the service, that one does for both.

import type Docker from 'dockerode';
import type {
  ComposeService,
  ProjectNetwork,
  ServiceNetwork,
  ServiceProject,
} from '../../service/service.ts';
import { isAtLeast, said } from './units.ts';

export interface Endpoint {
  readonly network: string;
  readonly settings: Docker.EndpointSettings;
}

const NETWORK_PRIORITY = '1.48';
const ENDPOINT_MAC = '1.44';

export function endpointsOf(
  project: ServiceProject,
  { network, apiVersion }: { readonly network: string; readonly apiVersion: string },
): Endpoint[] {
  const { service, serviceName } = project;
  const endpoints: Endpoint[] = byPriority(service).map(([key, said], index) => ({
    network: project.networks[key]?.name ?? key,
    settings: settingsOf(said, {
      serviceName,
      macAddress: said?.mac_address ?? (index === 0 ? service.mac_address : undefined),
      apiVersion,
    }),
  }));
  if (service.network_mode === 'bridge') endpoints.push({ network: 'bridge', settings: {} });
  if (endpoints.every(endpoint => endpoint.network !== network)) endpoints.push({ network, settings: {} });
  return endpoints;
}

/** As Compose orders them: the highest priority first, among equals by name. */
function byPriority({ networks = {} }: ComposeService): [string, ServiceNetwork | null][] {
  const priorityOf = (network: ServiceNetwork | null): number => network?.priority ?? 0;
  return Object.entries(networks).sort(
    ([aName, a], [bName, b]) => priorityOf(b) - priorityOf(a) || (aName < bName ? -1 : 1),
  );
}

function settingsOf(
  network: ServiceNetwork | null,
  context: {
    readonly serviceName: string;
    readonly macAddress: string | undefined;
    readonly apiVersion: string;
  },
): Docker.EndpointSettings {
  const { ipv4_address, ipv6_address, link_local_ips, driver_opts, gw_priority } = network ?? {};
  const hasAddress = ipv4_address !== undefined || ipv6_address !== undefined || link_local_ips !== undefined;
  return said({
    Aliases: [context.serviceName, ...(network?.aliases ?? [])],
    IPAMConfig: hasAddress
      ? said({
          IPv4Address: ipv4_address,
          IPv6Address: ipv6_address,
          LinkLocalIPs: link_local_ips && [...link_local_ips],
        })
      : undefined,
    DriverOpts: driver_opts && { ...driver_opts },
    MacAddress: isAtLeast(context.apiVersion, ENDPOINT_MAC) ? context.macAddress : undefined,
    GwPriority: isAtLeast(context.apiVersion, NETWORK_PRIORITY) ? gw_priority : undefined,
  }) as Docker.EndpointSettings;
}

/** Those of the service's networks that torc may have to make: "default" of a Compose project too. */
export const networksOf = ({
  service,
  networks,
}: ServiceProject): { key: string; network: ProjectNetwork }[] =>
  Object.keys(service.networks ?? {}).flatMap(key => {
    const network = networks[key];
    return network === undefined ? [] : [{ key, network }];
  });
