// The settings in force, for people: each with its value, where it came from, and what another value of it needs; and the call
// that has them read again. Secrets are never shown, only that they are set.

import { shownValue } from '../config/changes.ts';
import { type FieldKey, fields } from '../config/fields.ts';
import type { Origin } from '../config/load.ts';
import { inWords, type ReloadOutcome } from '../config/reload.ts';
import type { AdminReply } from '../core/messages.ts';
import { failure, json } from './replies.ts';

/** What a reload leaves; the Reloader fits. */
export interface SettingsSource {
  readonly settings: { readonly origins: ReadonlyMap<FieldKey, Origin> };
  /** What the next start would read where it is another value. */
  readonly waiting: ReadonlyMap<FieldKey, Origin>;
  reload(by: string): Promise<ReloadOutcome>;
}

export function settingsView({ settings, waiting }: SettingsSource): object {
  const all = [...settings.origins].map(([key, origin]) => {
    const next = waiting.get(key);
    return [
      fields[key].name,
      {
        value: shownValue(key, origin),
        from: origin.from,
        ...(origin.where === '' ? {} : { where: origin.where }),
        changes: fields[key].changes,
        ...(next === undefined ? {} : { afterRestart: shownValue(key, next) }),
      },
    ];
  });
  return Object.fromEntries(all);
}

/** TORC_KEY as it is written. */
export const keyText = ({ settings }: SettingsSource): string =>
  shownValue('key', settings.origins.get('key')!) ?? '';

/** What came of another torc's taking over (src/succession.ts). */
export type Replaced =
  | {
      readonly ok: true;
      readonly message: string;
      readonly pid: number;
      readonly version: string;
      readonly node: string;
    }
  | { readonly ok: false; readonly status: number; readonly message: string };

/** `POST /admin/replace`: what no reload can change. */
export async function replaced(
  { replaceTorc }: { readonly replaceTorc: (by: string) => Promise<Replaced> },
  who: string,
): Promise<AdminReply> {
  const { ok, ...outcome } = await replaceTorc(`POST /admin/replace by ${who}`);
  return 'status' in outcome ? failure(outcome.status, outcome.message) : json(200, outcome);
}

/** `POST /admin/reload`. */
export async function reloaded(source: SettingsSource, who: string): Promise<AdminReply> {
  const by = `POST /admin/reload by ${who}`;
  const outcome = await source.reload(by);
  if (outcome.ok) {
    const { changed, rollout, restart, files } = outcome;
    const message = inWords(outcome, by);
    return json(200, { message, changed, rollout, afterRestart: restart, files });
  }
  const why = outcome.faults.join('; ');
  const message = outcome.status === 400 ? `nothing has changed: ${why}` : why;
  return failure(outcome.status, message, {}, { faults: outcome.faults });
}
