// `torc check`: what a start would refuse, without one. Every file that settings name is read by the reader that the start
// uses, and all faults come at once, because who corrects them one by one starts torc once for each.

import { loadTokens } from '../admin/tokens.ts';
import { certificateFaults } from '../cluster/certificates.ts';
import type { Config } from '../config/fields.ts';
import type { Clock } from '../core/clock.ts';
import { StartError } from '../core/errors.ts';
import { readUpstreams, trustFaults } from '../drivers/static/file.ts';

/** Faults of the files; the settings themselves are valid already. */
export function fileFaults(config: Config, clock: Clock): string[] {
  const { adminToken, adminTokenFile, upstreams, upstreamsFile } = config;
  return [
    ...refusals(() => loadTokens(adminToken, adminTokenFile)),
    ...certificateFaults(config, clock),
    ...trustFaults(upstreams).map(fault => `TORC_UPSTREAMS: ${fault}`),
    ...(upstreamsFile === null ? [] : refusals(() => readUpstreams(upstreamsFile))),
  ];
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
