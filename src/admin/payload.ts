// Reads the bodies of /add, /rm, /admin/rollout and of a slot's weight: JSON text -> counted and named, or one plain sentence. Only the shape is checked
// here (zod); what the names mean for the slots that exist is control/membership.ts.

import { z } from 'zod';
import { fields } from '../config/fields.ts';
import { shown } from '../config/names.ts';
import { nearest } from '../core/nearest.ts';
import { MOST_WEIGHT } from '../core/types.ts';

export interface MembershipRequest {
  readonly count: number;
  readonly names: readonly string[];
}

export const membership = z.strictObject({
  n: z
    .int({ error: issue => (issue.input === undefined ? 'n is missing' : 'n must be a whole number') })
    .min(1, 'n must be at least 1')
    .max(1000, 'n must be at most 1000'),
  hostnames: z
    .array(z.string('hostnames must be a list of strings'), 'hostnames must be a list of strings')
    .max(1001, 'hostnames has too many names')
    .optional(),
});

/** `{"n":2,"hostnames":["4"]}` -> request; a string says what is wrong. */
export function readMembership(body: string): MembershipRequest | string {
  let payload: unknown;
  try {
    payload = JSON.parse(body);
  } catch {
    return 'the body must be JSON, like {"n":1,"hostnames":["4"]}';
  }
  const parsed = membership.safeParse(payload);
  if (!parsed.success) {
    const { issues } = parsed.error;
    const issue = issues[0];
    // Told first: what is said to be missing is often what is misspelt.
    const unknown = issues.find(({ code }) => code === 'unrecognized_keys');
    if (unknown?.code === 'unrecognized_keys') return unknownField(unknown.keys[0]!);
    return issue?.path.length
      ? issue.message
      : 'the body must be a JSON object, like {"n":1,"hostnames":["4"]}';
  }
  return { count: parsed.data.n, names: parsed.data.hostnames ?? [] };
}

const KNOWN = Object.keys(membership.shape);

/** Ignored, a misspelt field would add a replica under another name, or remove another one. */
function unknownField(name: string): string {
  const candidate = nearest(name.toLowerCase(), ['hostnames']);
  const meant = candidate === null ? '' : `did you mean ${candidate}? `;
  return `unknown field "${shown(name)}": ${meant}known are ${KNOWN.join(' and ')}`;
}

/** Two decimals: a hundredth of another slot's share is the least that a canary needs. */
export const weightBody = z.strictObject({
  weight: z
    .number()
    .min(0)
    .max(MOST_WEIGHT)
    .refine(weight => Math.abs(weight * 100 - Math.round(weight * 100)) < 1e-9)
    .nullable(),
});

/** `{"weight":2}` -> what a slot shall have, null where an earlier word is taken back. */
export function readWeight(body: string): { weight: number | null } | { fault: string } {
  let payload: unknown;
  try {
    payload = JSON.parse(body);
  } catch {
    payload = undefined;
  }
  const parsed = weightBody.safeParse(payload);
  if (parsed.success) return parsed.data;
  return {
    fault: `the body must be like {"weight":2}: 0 (drained) to ${MOST_WEIGHT} with two decimals at most, or null for what it was before anybody said`,
  };
}

const version = z.string().max(4096);
/** A canary's. */
const onlySlots = z.array(z.string()).min(1).max(1000).optional();
const imageBody = z.strictObject({ image: version, slots: onlySlots });
const commandBody = z.strictObject({ command: version, slots: onlySlots });
/** The second with the process driver, the first with the others. */
export const rolloutBody = z.union([imageBody, commandBody]);

/** `{"image":"app:2"}`, for the process driver `{"command":"..."}` -> what is to be rolled out. */
export function readRollout(
  body: string,
  driver: string,
): { version: string; only: readonly string[] | undefined } | { fault: string } {
  const [word, field] = driver === 'process' ? ['command', fields.replicaCommand] : ['image', fields.image];
  const shape = `the body must be like {"${word}":"${word === 'image' ? 'app:2' : 'node app.js'}"}`;
  let payload: unknown;
  try {
    payload = JSON.parse(body);
  } catch {
    return { fault: shape };
  }
  const asked = (driver === 'process' ? commandBody : imageBody).safeParse(payload);
  if (!asked.success) return { fault: shape };
  const { slots: only } = asked.data;
  const parsed = field.schema.safeParse('image' in asked.data ? asked.data.image : asked.data.command);
  if (parsed.success) return { version: parsed.data, only };
  return { fault: `${word} ${parsed.error.issues[0]?.message}; allowed: ${field.allowed}` };
}

/** Of /admin/slots/NAME/...; names are addresses, too, and brackets are percent-encoded in a path. */
export function slotIn(path: string): string {
  const name = path.split('/')[3]!;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
