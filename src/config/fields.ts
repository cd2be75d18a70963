// Every setting torc has, one row each: name, default, schema, unit and meaning. `--help`, the faults, the frozen
// Config and docs/operations.md all come from this table, so they cannot disagree (a test compares the docs with it).
// Schemas are zod's; a row's `allowed` is the second half of every fault: "NAME: what is wrong; allowed: ...". A row's
// `fallback` is what an unset variable means, in the form a user would write it; null means "not set".

import type { z } from 'zod';
import type { ServiceProject } from '../service/service.ts';
import { controlFields } from './fields-control.ts';
import { frontFields } from './fields-front.ts';
import { healthFields } from './fields-health.ts';
import { replicasFields } from './fields-replicas.ts';
import { trafficFields } from './fields-traffic.ts';

export type { KeyPart, KeySource } from './key-sources.ts';

export const fields = {
  ...frontFields,
  ...trafficFields,
  ...replicasFields,
  ...healthFields,
  ...controlFields,
} as const;

type Fields = typeof fields;
export type FieldKey = keyof Fields;
type FieldValue<K extends keyof Fields> = z.output<Fields[K]['schema']>;
/** Fields without a default may be null; lists without one are empty instead. */
type OrNull<K extends keyof Fields> = Fields[K]['fallback'] extends string
  ? FieldValue<K>
  : FieldValue<K> | (FieldValue<K> extends readonly unknown[] ? never : null);

/** Every setting, checked and frozen. `workers` 0 means auto. */
export type Config = { readonly [K in keyof Fields]: OrNull<K> } & {
  /** What a replica is, where a Compose service says it. */
  readonly service?: ServiceProject | null;
};
