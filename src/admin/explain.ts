// `/admin/explain`: where does this request go? Either the request is told (`target`, `header`, `ip`) and its key is found
// by the data plane's own reader, or the key itself (`key`), in the raw bytes in which a request would carry it. Nothing
// of `key` is decoded, because nothing of a request is: `%41` and `A` are two keys. The rest of a question is percent-
// encoded as every query value is, but for `+`, which is itself: a target has no spaces, and may have a plus.
// Who serves is asked of the data plane's own pick, with the snapshot that the workers have. Pure.

import type { Config, KeySource } from '../config/fields.ts';
import type { SlotView } from '../control/supervisor.ts';
import { FIELD } from '../core/field-syntax.ts';
import type { SnapshotMessage } from '../core/types.ts';
import { keyHashFor } from '../ring/hash.ts';
import { CHOICES, makeTable, NONE, rowOf } from '../ring/table.ts';
import { BodyKey, isReadable } from '../routing/body-key.ts';
import { choosableOf } from '../routing/choosable.ts';
import { FOUND, FoundKey, findKey, IN_BODY, NO_KEY, type Place, TO_ISSUE } from '../routing/key.ts';
import { NO_SLOT, type Pickable, pick } from '../routing/pick.ts';
import { placeOf, slowStartOf } from '../routing/slow-start.ts';
import { hex } from './views.ts';

/** The key of a question. `text` has one character per byte, as the data plane sees it; null: it is random. */
export interface AskedKey {
  readonly text: string | null;
  /** The entry of TORC_KEY that it was read from; 'key' where it was given. */
  readonly source: string;
  /** Such a request gets a cookie, and is routed by it. */
  readonly isIssued?: true;
}

const LONGEST_KEY = 8192;
const HOW =
  'say which request: /admin/explain?target=/path?query&header=name:value&body=... (percent-encoded), or which key: ?key=K (raw)';
const GIVEN: readonly KeySource[] = [
  {
    text: 'key',
    parts: [{ kind: 'query', name: 'key', option: '', size: 0, pointer: [] }],
    readsBody: false,
  },
];

/** `target`: of the control request, as it came. A string says what is wrong with the question. */
export function readQuestion(target: string, sources: Config['key']): AskedKey | string {
  const given = new FoundKey();
  const asked = valuesOf(target);
  if (findKey(GIVEN, target, [], '', '', false, given) === FOUND) {
    const beside = PARTS.find(name => asked[name].length > 0);
    return beside === undefined
      ? askedKey(given, 'key')
      : `${beside} is of a request, and a key is asked for alone: ${HOW}`;
  }
  const path = asked.target[0];
  if (path === undefined) return HOW;
  if (!path.startsWith('/')) return `the target must begin with "/": ${HOW}`;
  if (/[^!-~]/.test(path))
    return 'such a request is answered with 400: in a target spaces, control characters and bytes above 127 are percent-encoded (and their % in this question once more: %2520)';
  const rawHeaders: string[] = [];
  for (const field of asked.header) {
    const colon = field.indexOf(':');
    if (colon < 1) return `a header is name:value: ${HOW}`;
    if (!FIELD.test(field))
      return 'such a request is answered with 400: a header has a token for a name, and no control characters in its value';
    rawHeaders.push(field.slice(0, colon), field.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, ''));
  }
  return keyOf(sources, path, rawHeaders, asked.ip[0] ?? '', asked.body[0] ?? '');
}

const tooLong = `the key is longer than ${LONGEST_KEY} bytes`;

/** As an exchange does it (exchange/keyed.ts), with the whole of the body at once. */
function keyOf(
  sources: Config['key'],
  target: string,
  rawHeaders: readonly string[],
  ip: string,
  body: string,
): AskedKey | string {
  const found = new FoundKey();
  const host = hostIn(rawHeaders);
  const hasBody = body !== '' && isReadable(rawHeaders);
  let place: Place = findKey(sources, target, rawHeaders, ip, host, hasBody, found);
  if (place === IN_BODY) {
    const key = new BodyKey(sources, found.index, { target, rawHeaders, ip, host });
    place = key.read([Buffer.from(body, 'latin1')], true, found);
  }
  const asksForIp = sources.slice(0, found.index + (place === NO_KEY ? 1 : 0)).some(readsIp);
  if (ip === '' && asksForIp) return "this request would be routed by its client's address: add &ip=ADDRESS";
  const source = sources[found.index]!.text;
  if (place === FOUND) return askedKey(found, source);
  return place === TO_ISSUE ? { text: null, source, isIssued: true } : { text: null, source: 'random' };
}

const readsIp = ({ parts }: KeySource): boolean => parts.some(({ kind }) => kind === 'ip');

function askedKey({ text, start, end }: FoundKey, source: string): AskedKey | string {
  return end - start > LONGEST_KEY ? tooLong : { text: text.slice(start, end), source };
}

function hostIn(rawHeaders: readonly string[]): string {
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && /^host$/i.test(name));
  return at === -1 ? '' : rawHeaders[at + 1]!;
}

const PARTS = ['target', 'header', 'ip', 'body'] as const;
const isPart = (name: string): name is (typeof PARTS)[number] => (PARTS as readonly string[]).includes(name);

function valuesOf(target: string): Record<(typeof PARTS)[number], string[]> {
  const values = { target: [], header: [], ip: [], body: [] } as ReturnType<typeof valuesOf>;
  const question = target.indexOf('?');
  for (const part of question === -1 ? [] : target.slice(question + 1).split('&')) {
    const equals = part.indexOf('=');
    if (equals === -1) continue;
    const name = part.slice(0, equals);
    if (isPart(name)) values[name].push(percentDecoded(part.slice(equals + 1)));
  }
  return values;
}

/** To one character per byte. What is no valid escape stays as it is. */
const percentDecoded = (text: string): string =>
  text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));

/** Source, key, hash, row, choices in order, who would serve now and why others are skipped. */
export function explainView(
  snapshot: SnapshotMessage,
  slots: readonly SlotView[],
  { text, source, isIssued }: AskedKey,
  wallMs: number,
): object {
  const { epoch, algorithm, rows } = snapshot;
  if (text === null) {
    const because =
      isIssued === true
        ? 'without this cookie a request goes to a slot at random, and its client gets a cookie that keeps it there'
        : 'nothing that TORC_KEY names is in this request: each such request goes to a slot at random';
    return { source, key: null, bytes: null, servedBy: null, because, epoch };
  }
  const hash = keyHashFor(algorithm)(text, 0, text.length);
  const pickable = pickableOf(snapshot, wallMs);
  const row = rowOf(pickable.table, hash);
  const byId = new Map(slots.map(slot => [slot.id, slot]));
  const choices = choicesOf(pickable, hash).map(id => {
    const slot = byId.get(id);
    const state = slot?.state ?? 'dead';
    return { slot: slot?.name ?? `id ${id}`, state, ...skipped(slot, isEarly(pickable, id, hash)) };
  });
  const slotId = pick(pickable, hash, [], 0, 0);
  const servedBy = snapshot.upstreams.find(upstream => upstream.slotId === slotId)?.slot ?? null;
  const bytes = Buffer.from(text, 'latin1');
  return {
    source,
    key: bytes.toString('utf8'),
    bytes: bytes.toString('hex'),
    hash: hex(hash),
    row,
    rows,
    algorithm,
    choices,
    servedBy,
    because: reason(
      slotId,
      choices.some(({ slot }) => slot === servedBy),
    ),
    epoch,
  };
}

const isEarly = ({ slowStart }: Pickable, slotId: number, hash: number): boolean =>
  slowStart !== null && placeOf(hash) >= (slowStart.marks[slotId] ?? Number.POSITIVE_INFINITY);

function skipped(slot: SlotView | undefined, isEarly: boolean): { skipped?: string } {
  if (slot === undefined) return { skipped: 'the slot was removed' };
  if (slot.state !== 'ready') return { skipped: slot.change.cause };
  if (slot.weight === 0) return { skipped: 'its weight is 0' };
  return isEarly ? { skipped: 'it warms up (TORC_SLOW_START_MS), and takes this key later' } : {};
}

function reason(slotId: number, isChoice: boolean): string {
  if (slotId === NO_SLOT) return 'nobody: no replica is ready (503)';
  return isChoice ? 'first usable choice of the row' : 'the first usable choice of the rows that follow';
}

/** In order, each as it is when those before it are out. */
function choicesOf({ table, ids }: Pickable, hash: number): number[] {
  const from = rowOf(table, hash) * CHOICES;
  const inRow = [...table.choices.subarray(from, from + CHOICES)].filter(id => id !== NONE);
  if (!table.nearest) return inRow;
  const usable = new Uint8Array(Math.max(...inRow, ...ids) + 1).fill(1);
  const upstreams = Array.from(usable, () => IDLE);
  const weights = { of: new Float64Array(usable.length).fill(1), sum: usable.length };
  return inRow.map((_, gone) => {
    const usableCount = usable.length - gone;
    const all = { table, usable, usableCount, weights, ids, upstreams, slowStart: null };
    const slotId = pick(all, hash, [], 0, 0);
    usable[slotId] = 0;
    return slotId;
  });
}

const IDLE = { inFlight: 0 };

/** The published state as a worker has it at that time, or when nothing warms up any more; with nothing in flight: bounded load is not foretold. */
export function pickableOf(
  { algorithm, choices, points, upstreams }: SnapshotMessage,
  wallMs = Number.POSITIVE_INFINITY,
): Pickable {
  const choosable = choosableOf(upstreams);
  return {
    table: makeTable(algorithm, choices ?? new Uint16Array(CHOICES).fill(NONE), points),
    ...choosable,
    slowStart: slowStartOf(upstreams, wallMs, 0),
    upstreams: Array.from(choosable.usable, () => IDLE),
  };
}
