// Which addresses are replicas': all of their network's subnets but the gateway, which is this machine (what it sends to a
// published port arrives from there). Answered from what the engine last said of the network, because it is asked for
// control requests, which must not wait for an engine. An engine that was given a subnet but no gateway takes the
// subnet's first address for it.

import type Docker from 'dockerode';
import ipaddr from 'ipaddr.js';

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

interface Subnet {
  readonly base: Ip;
  readonly prefix: number;
  readonly gateway: string;
}

export class Subnets {
  readonly #subnets: readonly Subnet[];

  constructor(found: Pick<Docker.NetworkInspectInfo, 'IPAM'> | null) {
    this.#subnets = (found?.IPAM?.Config ?? []).flatMap(({ Subnet = '', Gateway = '' }) => {
      if (!ipaddr.isValidCIDR(Subnet)) return [];
      const [base, prefix] = ipaddr.parseCIDR(Subnet);
      return [{ base, prefix, gateway: ipaddr.isValid(Gateway) ? canonical(Gateway) : firstOf(Subnet) }];
    });
  }

  /** `address` as a socket has it: an IPv4 peer of an IPv6 listener is mapped, a link-local one has its zone. */
  holdsReplica(address: string): boolean {
    if (!ipaddr.isValid(address)) return false;
    const ip = ipaddr.process(address);
    return this.#subnets.some(
      ({ base, prefix, gateway }) =>
        base.kind() === ip.kind() && ip.match(base, prefix) && canonical(address) !== gateway,
    );
  }
}

const canonical = (address: string): string => ipaddr.process(address).toNormalizedString();

function firstOf(subnet: string): string {
  const isIpv4 = ipaddr.parseCIDR(subnet)[0].kind() === 'ipv4';
  const network = isIpv4
    ? ipaddr.IPv4.networkAddressFromCIDR(subnet)
    : ipaddr.IPv6.networkAddressFromCIDR(subnet);
  const bytes = network.toByteArray();
  bytes[bytes.length - 1]! += 1;
  return ipaddr.fromByteArray(bytes).toNormalizedString();
}
