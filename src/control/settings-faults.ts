// Why settings cannot hold for the replicas that there are: what config/check.ts cannot know, because it has seen neither the
// driver nor the slots. Pure; asked before a reload changes anything.

import { slotsFault } from '../ring/build.ts';
import type { Driver } from './driver.ts';
import { healthFault } from './health.ts';
import type { SupervisorSettings } from './options.ts';

export function settingsFaults(settings: SupervisorSettings, driver: Driver, slotCount: number): string[] {
  const { ring, replicas } = settings;
  const count = driver.creates ? Math.max(slotCount, replicas) : slotCount;
  const tooMany = slotsFault(ring, count);
  const unhealthy = healthFault(settings, driver);
  return [
    ...(tooMany === null ? [] : [`TORC_RING: ${count} slots are too many for ${ring}; ${tooMany}`]),
    ...(unhealthy === null ? [] : [unhealthy]),
  ];
}
