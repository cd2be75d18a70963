// A roll-out that succeeded outlives torc: the version that is being served, and what the setting was when it was rolled
// out. As long as the setting is that one still, the next torc starts what was rolled out; once somebody has changed the
// setting, that word is the newer one and wins, and the difference is told.

import { readFileSync, rmSync } from 'node:fs';
import type { Log } from '../core/log.ts';
import { writeWhole } from '../core/whole-file.ts';

export class VersionFile {
  readonly #path: string;
  readonly #name: string;
  #setting: string;
  readonly #log: Log;

  /** `name` is the setting's (TORC_IMAGE), `setting` its value now, '' where it is not set. */
  constructor(path: string, name: string, setting: string, log: Log) {
    this.#path = path;
    this.#name = name;
    this.#setting = setting;
    this.#log = log;
  }

  /** What is to be started instead of the setting; null: the setting. */
  recall(): string | null {
    const kept = this.#read();
    if (kept === null) return null;
    const { setting, version } = kept;
    if (setting === this.#setting) {
      this.#log.info({ version, setting }, `replicas run ${version}, as the last roll-out left it`);
      return version;
    }
    rmSync(this.#path, { force: true });
    if (version !== this.#setting) {
      const now = this.#setting === '' ? 'is not set' : `is ${this.#setting}`;
      this.#log.warn(
        { version, setting: this.#setting },
        `${this.#name} ${now} by now, and the last roll-out was of ${version}: the setting is used`,
      );
    }
    return null;
  }

  /** The setting itself was rolled out. */
  forget(setting: string): void {
    this.#setting = setting;
    rmSync(this.#path, { force: true });
  }

  /** Never throws: a roll-out that cannot be remembered has succeeded all the same. */
  remember(version: string): void {
    try {
      writeWhole(this.#path, JSON.stringify({ setting: this.#setting, version }));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.#log.warn(
        { version, code },
        `the roll-out cannot be remembered for the next start (${code}): set ${this.#name}`,
      );
    }
  }

  #read(): { setting: string; version: string } | null {
    try {
      const { setting, version } = JSON.parse(readFileSync(this.#path, 'utf8')) as Record<string, unknown>;
      return typeof setting === 'string' && typeof version === 'string' ? { setting, version } : null;
    } catch {
      return null;
    }
  }
}
