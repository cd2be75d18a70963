// `torc check`: what a start would refuse, without one. Every file that settings name is read by the reader that the start
// uses, and all faults come at once, because who corrects them one by one starts torc once for each.

import { loadTokens } from '../admin/tokens.ts';
import { lookAtCertificates } from '../cluster/certificates.ts';
import type { Config } from '../config/fields.ts';
import type { Clock } from '../core/clock.ts';
import { StartError } from '../core/errors.ts';
import { readUpstreams, trustFaults } from '../drivers/static/file.ts';

/** What a start would refuse of the files, and what it would warn of; the settings themselves are valid already. */
export function lookAtFiles(config: Config, clock: Clock) {
  const { adminToken, adminTokenFile, upstreams, upstreamsFile } = config;
  const { faults, notes } = lookAtCertificates(config, clock);
  const all = [
    ...refusals(() => loadTokens(adminToken, adminTokenFile)),
    ...faults,
    ...trustFaults(upstreams).map(fault => `TORC_UPSTREAMS: ${fault}`),
    ...(upstreamsFile === null ? [] : refusals(() => readUpstreams(upstreamsFile))),
  ];
  return { faults: all, notes };
}

function refusals(read: () => unknown): string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (error instanceof StartError) return [error.message];
    throw error;
  }
}
