// A torc whose settings file a test writes: each reload is one write and one POST, and what is in the file is all that is
// other than the defaults. Nothing that the test wants to change is in the environment, which would win over the file.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryState } from './state.ts';
import { startTorc, type Torc } from './torc.ts';

export interface ReloadAnswer {
  readonly status: number;
  readonly changed: readonly { name: string; from: string | null; to: string | null }[];
  readonly rollout: readonly { name: string }[];
  readonly afterRestart: readonly { name: string }[];
  readonly files: readonly string[];
  readonly faults: readonly string[];
  readonly message?: string;
}

export interface Reloadable extends Torc {
  /** Beside the settings file. */
  readonly folder: string;
  write(settings: Record<string, string | number | boolean | null>): void;
  /** Writes, and has it read. */
  reload(settings: Record<string, string | number | boolean | null>): Promise<ReloadAnswer>;
  read(headers?: Record<string, string>): Promise<ReloadAnswer>;
}

/** `env`: what shall not change, in the environment; `settings`: what is in the file at the start. */
export async function startReloadable(
  settings: Record<string, string | number | boolean | null>,
  env: Record<string, string> = {},
): Promise<Reloadable> {
  const folder = temporaryState();
  const path = join(folder, 'torc.yaml');
  const write: Reloadable['write'] = values =>
    writeFileSync(
      path,
      Object.entries(values)
        .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
        .join(''),
    );
  write(settings);
  const torc = await startTorc({
    TORC_CONFIG: path,
    ...{ TORC_DRIVER: '', TORC_HEARTBEAT_TIMEOUT_MS: '', TORC_EXPRESS: '', TORC_PIPELINING: '' },
    ...env,
  });
  const read: Reloadable['read'] = async (headers = {}) => {
    const send = () => torc.send('POST', '/admin/reload', '', headers);
    // The connection that is used again may be the one whose idle time is just over.
    const { status, text } = await send().catch(send);
    const none = { changed: [], rollout: [], afterRestart: [], files: [], faults: [] };
    return { ...none, ...JSON.parse(text), status };
  };
  return {
    ...torc,
    folder,
    write,
    read,
    reload: values => {
      write(values);
      return read();
    },
  };
}
