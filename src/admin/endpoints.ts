// The control endpoints as a document tells them: what each is for, what it takes, what it answers. routes.ts has what
// they do; a test holds the two tables against each other.

import { z } from 'zod';
import { RINGS } from '../core/types.ts';
import type { Need } from './access.ts';
import { MOST_HOT_KEYS } from './hot-keys.ts';
import { membership, rolloutBody, weightBody } from './payload.ts';
import * as schemas from './schemas.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly required: boolean;
  readonly description: string;
  readonly schema: z.ZodType;
}

export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly need: Need;
  readonly summary: string;
  readonly parameters: readonly Parameter[];
  readonly body: z.ZodType | null;
  /** By status; all others have the shape of a failure. A word is a content type other than JSON. */
  readonly answers: Readonly<Record<number, z.ZodType | string>>;
}

const query = (name: string, description: string, schema: z.ZodType, required = false): Parameter => ({
  name,
  in: 'query',
  required,
  description,
  schema,
});

const get = (
  path: string,
  summary: string,
  answer: z.ZodType | string,
  ...parameters: Parameter[]
): Endpoint => ({
  method: 'GET',
  path,
  need: 'read',
  summary,
  parameters,
  body: null,
  answers: { 200: answer },
});

const change = (
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  summary: string,
  body: z.ZodType | null,
  answer: z.ZodType,
): Endpoint => ({ method, path, need: 'operate', summary, parameters: [], body, answers: { 200: answer } });

const text = z.string();
const slotInPath: Parameter = {
  name: 'slot',
  in: 'path',
  required: true,
  description: 'its name',
  schema: text,
};

export const endpoints: readonly Endpoint[] = [
  { ...get('/rep', 'The slots that there are', schemas.members), need: 'nothing' },
  {
    ...get(
      '/requests/{slot}',
      'Keys of the latest requests that a slot answered',
      schemas.requests,
      slotInPath,
      query('limit', 'how many, 1,000 without it', z.int().min(0).max(10_000)),
    ),
    need: 'nothing',
  },
  change('POST', '/add', 'Adds slots; answers when their replicas are ready', membership, schemas.members),
  change('DELETE', '/rm', 'Removes slots; answers when they are drained', membership, schemas.members),
  get('/admin/slots', 'Each slot: state, replica, load, latency, last change and why', schemas.slots),
  {
    ...change(
      'POST',
      '/admin/slots/{slot}/replace',
      'Another replica for a slot, now, proven before the old one drains; answers when the slot has it',
      null,
      schemas.slots,
    ),
    parameters: [slotInPath],
  },
  {
    ...change(
      'PUT',
      '/admin/slots/{slot}/weight',
      'How much of the keys a slot gets; 0 drains it, null takes an earlier word back',
      weightBody,
      schemas.slots,
    ),
    parameters: [slotInPath],
  },
  get(
    '/admin/stats',
    'What the page shows, measured once for all readers; with `Accept: text/event-stream` as a stream of merge patches',
    schemas.stats,
  ),
  get('/admin/status', 'Is all well, and may something be deployed now?', schemas.status),
  get(
    '/admin/explain',
    'Which key a request brings, and who serves it: tell `target` and `header`, or `key`',
    schemas.explanation,
    query('target', "the request's path and query", text),
    query('header', 'name:value, as often as there are fields', z.array(text)),
    query('ip', "the client's address", text),
    query('body', "the request's body, as far as a key is read from it", text),
    query('key', 'a key in the raw bytes in which a request carries it', text),
  ),
  get(
    '/admin/whatif',
    'Whose keys would move with so many slots, or with another ring',
    schemas.whatIf,
    query('n', 'how many', z.int().min(1).max(1000)),
    query('remove', 'or this one less', text),
    query('ring', 'or placed by this one', z.enum(RINGS)),
  ),
  get('/admin/ring', 'The table, and by which snapshot each worker routes', schemas.ring),
  get(
    '/admin/hot-keys',
    'The busiest keys of now',
    schemas.hotKeys,
    query('n', 'how many, 20 without it', z.int().min(1).max(MOST_HOT_KEYS)),
  ),
  get(
    '/admin/events',
    'State changes as they come, the data of each an Event',
    'text/event-stream',
    query('since', 'those after the event of this number, or from this time on', text),
  ),
  get('/admin/rollout', 'The roll-out under way, or the last one', schemas.rollout),
  change(
    'POST',
    '/admin/rollout',
    'Replaces all replicas, slot by slot; answers at the end',
    rolloutBody,
    schemas.rollout,
  ),
  change('DELETE', '/admin/rollout', 'Stops the roll-out where it is', null, schemas.rollout),
  change(
    'POST',
    '/admin/reload',
    'Reads settings, token files, certificates and the file of upstreams again: all of it, or nothing where there is a fault (400)',
    null,
    schemas.reload,
  ),
  change(
    'POST',
    '/admin/replace',
    'Another torc takes over from this one, with the files, settings and Node of now; answers when it serves, or with why it does not',
    null,
    schemas.replaced,
  ),
  get('/admin/live', 'torc is alive', schemas.alive),
  {
    ...get('/admin/ready', 'At least one slot is ready (else 503)', schemas.ready),
    answers: { 200: schemas.ready, 503: schemas.ready },
  },
  get('/admin/openapi.json', 'This document', z.looseObject({ openapi: z.literal('3.1.0') })),
  get('/metrics', "Prometheus' text", 'text/plain'),
];
