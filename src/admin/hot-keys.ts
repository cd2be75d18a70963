// `/admin/hot-keys`, and what the page is told of them: the busiest keys of now, over all workers, and who serves each. Keys are shown by the rule of
// /requests/ID (requests.ts): what may be a credential is a keyed hash unless TORC_SHOW_KEYS, and with TORC_HOT_KEYS=hash
// all are. They are never a label of a metric: each would be a time series, and stay for years. Pure.

import type { z } from 'zod';
import type { Config } from '../config/fields.ts';
import type { SnapshotMessage } from '../core/types.ts';
import { HALF_LIFE_S, type HotKey, type HotKeysReport, mergeHotKeys } from '../routing/hot-keys.ts';
import { NO_SLOT, pick } from '../routing/pick.ts';
import { pickableOf } from './explain.ts';
import { hashOf, keyView } from './requests.ts';
import type { hotKeys as schema } from './schemas.ts';
import { round } from './views.ts';

export const DEFAULT_COUNT = 20;
export const MOST_HOT_KEYS = 100;

export type HotKeysView = z.infer<typeof schema>;

/** A string says what is wrong. */
export function readCount(query: URLSearchParams): number | string {
  const text = query.get('n') ?? String(DEFAULT_COUNT);
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return count >= 1 && count <= MOST_HOT_KEYS ? count : `n is a whole number, 1 to ${MOST_HOT_KEYS}`;
}

export function hotKeysView(
  { hotKeys: mode, key: sources, showKeys }: Pick<Config, 'hotKeys' | 'key' | 'showKeys'>,
  snapshot: SnapshotMessage,
  reports: readonly HotKeysReport[],
  count: number,
  secret: Buffer,
): HotKeysView {
  const { all, keylessPerS, keys } = mergeHotKeys(reports, count);
  const isPlain = mode === 'on' && keyView(sources, true, showKeys) === 'all';
  const pickable = pickableOf(snapshot);
  const names = new Map(snapshot.upstreams.map(({ slotId, slot }) => [slotId, slot]));
  const slotOf = (hash: number): string | null => {
    const slotId = pick(pickable, hash, [], 0, 0);
    return slotId === NO_SLOT ? null : (names.get(slotId) ?? null);
  };
  return {
    mode,
    keysAre: isPlain ? 'plain' : 'hashed',
    halfLifeS: HALF_LIFE_S,
    requestsPerS: round(all.perS),
    keylessShare: shareOf(keylessPerS, all.perS),
    keys: keys.map(key => ({
      key: isPlain ? plain(key) : hashOf(wholeOf(key), secret),
      ...(isCut(key) ? { cut: true } : {}),
      share: shareOf(key.perS, all.perS),
      shareNow: shareOf(key.latelyPerS, all.latelyPerS),
      requestsPerS: round(key.perS),
      slot: slotOf(key.hash),
    })),
  };
}

const isCut = ({ text, length }: HotKey): boolean => length > text.length;
const plain = ({ text }: HotKey): string => Buffer.from(text, 'latin1').toString('utf8');
/** Keys that differ behind the cut (tokens begin alike) must not look like one. */
const wholeOf = (key: HotKey): string => (isCut(key) ? `${key.text} ${key.hash} ${key.length}` : key.text);
const shareOf = (part: number, all: number): number => (all === 0 ? 0 : round(part / all));
