// How much of the machine a service gets, as the engine's HostConfig: memory, processors, processes, devices, limits. Two
// places in a service say the same things (mem_limit and deploy.resources.limits.memory); `deploy` wins, as in Compose
// (pkg/compose/create.go, getDeployResources). Reserved processors mean nothing to a single engine, there as here.

import type { ComposeService, DeviceRequest, ServiceBlkio } from '../../service/service.ts';
import { said } from './units.ts';

export function resourcesOf(service: ComposeService) {
  const { limits, reservations } = service.deploy?.resources ?? {};
  const { ulimits, blkio_config: blkio } = service;
  return said({
    Memory: bytesOf(limits?.memory ?? service.mem_limit),
    MemoryReservation: bytesOf(reservations?.memory ?? service.mem_reservation),
    MemorySwap: bytesOf(service.memswap_limit),
    MemorySwappiness: bytesOf(service.mem_swappiness),
    OomKillDisable: service.oom_kill_disable,
    OomScoreAdj: service.oom_score_adj,
    NanoCpus: nanoCpusOf(limits?.cpus ?? service.cpus),
    CpuShares: service.cpu_shares,
    CpuPeriod: service.cpu_period,
    CpuQuota: service.cpu_quota,
    CpuRealtimePeriod: service.cpu_rt_period,
    CpuRealtimeRuntime: service.cpu_rt_runtime,
    CpuCount: service.cpu_count,
    CpuPercent: service.cpu_percent === undefined ? undefined : service.cpu_percent * 100,
    CpusetCpus: service.cpuset,
    CgroupParent: service.cgroup_parent,
    PidsLimit: limits?.pids ?? service.pids_limit,
    Ulimits:
      ulimits &&
      Object.entries(ulimits).map(([Name, limit]) =>
        typeof limit === 'number'
          ? { Name, Soft: limit, Hard: limit }
          : { Name, Soft: limit.soft, Hard: limit.hard },
      ),
    Devices: service.devices
      ?.filter(device => !isCdi(device))
      .map(({ source, target, permissions }) => ({
        PathOnHost: source,
        PathInContainer: target,
        CgroupPermissions: permissions,
      })),
    DeviceCgroupRules: service.device_cgroup_rules && [...service.device_cgroup_rules],
    DeviceRequests: deviceRequestsOf(service),
    ...(blkio === undefined ? {} : blkioOf(blkio)),
  });
}

const bytesOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text);

const nanoCpusOf = (cpus: number | undefined): number | undefined =>
  cpus === undefined ? undefined : Math.round(cpus * 1e9);

/** "vendor.com/class=name", a device of the Container Device Interface, and no path. */
const isCdi = ({ source, target }: { readonly source: string; readonly target: string }): boolean =>
  source === target && /^[\w.-]+\/[\w.-]+=[\w.:-]+$/.test(source);

function deviceRequestsOf({ deploy, gpus = [], devices = [] }: ComposeService) {
  const cdi = devices.filter(isCdi).map(({ source }) => source);
  const requests = [
    ...(deploy?.resources?.reservations?.devices ?? []).map(device => requestOf(device)),
    ...gpus.map(gpu => requestOf({ ...gpu, capabilities: [...(gpu.capabilities ?? []), 'gpu'] })),
    ...(cdi.length === 0 ? [] : [{ Driver: 'cdi', DeviceIDs: cdi }]),
  ];
  return requests.length === 0 ? undefined : requests;
}

const requestOf = ({ driver, count, device_ids, capabilities, options }: DeviceRequest) =>
  said({
    Driver: driver,
    Count: count,
    DeviceIDs: device_ids && [...device_ids],
    Capabilities: capabilities && [[...capabilities]],
    Options: options && { ...options },
  });

function blkioOf(blkio: ServiceBlkio) {
  const ratesOf = (devices: ServiceBlkio['device_read_bps']) =>
    devices?.map(({ Path, Rate }) => ({ Path, Rate: Number(Rate) }));
  return said({
    BlkioWeight: blkio.weight,
    BlkioWeightDevice: blkio.weight_device,
    BlkioDeviceReadBps: ratesOf(blkio.device_read_bps),
    BlkioDeviceReadIOps: ratesOf(blkio.device_read_iops),
    BlkioDeviceWriteBps: ratesOf(blkio.device_write_bps),
    BlkioDeviceWriteIOps: ratesOf(blkio.device_write_iops),
  });
}
