// What the replicas were last made of, as far as the settings say it, and what a roll-out put in the place of their image or
// command. A reload rolls out what the settings say when it is not that any more. Compared is what was rolled out well: after
// a roll-out that failed, another reload of the same settings tries again.

import type { VersionFile } from './version-file.ts';

export interface Redefinition {
  readonly name: string;
  readonly definition: object;
}

export class Rolled {
  readonly #versions: VersionFile;
  #words: string;
  #setting: string;
  #next: { words: string; setting: string } | null = null;
  /** Null: the setting. */
  version: string | null;

  /** `setting`: the image, the command line. */
  constructor(words: object, setting: string, versions: VersionFile) {
    this.#versions = versions;
    this.#words = JSON.stringify(words);
    this.#setting = setting;
    this.version = versions.recall();
  }

  /** A roll-out of it has succeeded. */
  remember(version: string, isSetting: boolean): void {
    if (!isSetting) {
      this.version = version;
      this.#versions.remember(version);
      return;
    }
    const next = this.#next!;
    this.#words = next.words;
    if (next.setting === this.#setting) return;
    this.#setting = next.setting;
    this.version = null;
    this.#versions.forget(next.setting);
  }

  /**
   * While the setting stays what it was, what was rolled out in its place does too. `isRollingOut`: a roll-out is under way,
   * perhaps of the very same.
   */
  async change(
    words: object,
    setting: string,
    isRollingOut: boolean,
    define: (version: string) => Promise<Redefinition>,
  ): Promise<{ faults: readonly string[]; version: Redefinition | null; apply(): void }> {
    const next = { words: JSON.stringify(words), setting };
    const isOnItsWay = isRollingOut && next.words === this.#next?.words;
    // Of one that was begun, and is not over or has failed, some slots may run: to go back is a roll-out too.
    const isAllThere = next.words === this.#words && (this.#next?.words ?? this.#words) === this.#words;
    if (isAllThere || isOnItsWay) return { faults: [], version: null, apply: () => {} };
    const version = await define((setting === this.#setting ? this.version : null) ?? setting);
    return {
      faults: [],
      version,
      apply: () => {
        this.#next = next;
      },
    };
  }
}
