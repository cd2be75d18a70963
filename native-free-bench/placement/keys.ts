// The keys that placements are compared over: what applications route by. One character per byte, as a request carries them.

import { type Random, seededRandom } from '../../src/core/random.ts';

export const KINDS = ['counters', 'paths', 'uuids', 'UTF-8'] as const;
export type KeyKind = (typeof KINDS)[number];

const WORDS = ['img', 'api', 'v2', 'users', 'cart', 'static', 'news', 'a', 'search', 'deep'];
const LETTERS = [...'äöüßéèñøåçłžдшфгяяλπωψ漢字仮名交じり文한국어😀🚀'];

/** `count` different ones. */
export function keysOf(kind: KeyKind, count: number): string[] {
  const random = seededRandom(20261130);
  const keys = new Set<string>();
  for (let index = 0; keys.size < count; index++) keys.add(keyOf(kind, index, random));
  return [...keys];
}

function keyOf(kind: KeyKind, index: number, random: Random): string {
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
  const some = (list: readonly string[], least: number, most: number): string[] =>
    Array.from(
      { length: least + Math.floor(random() * (most - least + 1)) },
      () => list[Math.floor(random() * list.length)]!,
    );
  switch (kind) {
    case 'counters':
      return String(index);
    case 'paths':
      return `/${some(WORDS, 1, 5).join('/')}/${index}?q=${hex(3)}`;
    case 'uuids':
      return `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`;
    case 'UTF-8':
      return Buffer.from(`${some(LETTERS, 1, 12).join('')}${index}`).toString('latin1');
  }
}
