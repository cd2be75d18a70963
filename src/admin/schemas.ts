// What the control endpoints answer, as schemas (zod's). /admin/openapi.json is made of them, and the tests hold every answer
// that they see against them, strictly: a field that is not here is a fault there. Clients get them without that strictness
// (openapi.ts), because new fields may come. What bodies must look like is payload.ts.

import { z } from 'zod';

const time = z.iso.datetime().meta({ description: 'ISO 8601, UTC' });
const share = z.number().min(0).max(1);
const count = z.int().min(0);
const us = z.number().min(0).meta({ description: 'microseconds' });
const hex = z.string().regex(/^0x[0-9a-f]{8}$/);
const weight = z.number().min(0).meta({ description: 'its share is by this; 0: it is drained' });
const slotName = z.string();
const state = z.enum(['starting', 'ready', 'suspect', 'draining', 'dead']);
const source = z.enum(['event', 'connection', 'heartbeat', 'outlier', 'listing', 'operator', 'supervisor']);

export const failure = z.strictObject({
  message: z.string(),
  status: z.literal('failure'),
  faults: z
    .array(z.string())
    .optional()
    .meta({ description: 'of a reload: each fault, with what is allowed' }),
});

export const members = z.strictObject({
  message: z.strictObject({ N: count, replicas: z.array(slotName) }),
  status: z.literal('successful'),
});

export const requests = z.strictObject({
  requests: z.array(z.union([z.string(), z.number()])),
  count,
  status: z.literal('successful'),
});

const recent = z.strictObject({ requests: count, p50Us: us, p99Us: us });

const replicaFields = {
  name: slotName,
  state,
  generation: count,
  replica: z.string().meta({ description: "a container's short id, or pid N" }),
  image: z.string().optional(),
  version: z.string().optional(),
  address: z.string(),
  machine: z.string().optional().meta({ description: 'that it runs on, where there are several' }),
  lastChange: z.strictObject({ at: time, cause: z.string(), source }),
  failing: z
    .strictObject({
      failureCount: count,
      retryInMs: z.number(),
      cause: z.string(),
      output: z.string().meta({ description: 'the end of what the last replica printed' }),
    })
    .optional(),
};

export const spare = z.strictObject(replicaFields);

export const slot = z.strictObject({
  ...replicaFields,
  weight,
  inFlight: count,
  requests: count,
  errors: count,
  latencyUs: z.strictObject({ p50: us, p99: us }),
  lastMinute: recent,
  lastFiveMinutes: recent,
});

export const slots = z.strictObject({ driver: z.string(), slots: z.array(slot), spares: z.array(spare) });

const rolloutState = z.enum(['running', 'succeeded', 'stopped']);

const settingValue = z.string().nullable().meta({ description: 'as it is written; null: not set' });

export const status = z.strictObject({
  version: z.string(),
  startedAt: time,
  program: z.string().nullable().meta({ description: 'what the replicas run; null where they are given' }),
  replicas: z.strictObject({
    ready: count,
    of: count,
    notReady: z.array(z.strictObject({ slot: slotName, state, why: z.string() })),
  }),
  spares: z.strictObject({ ready: count, of: count }),
  driver: z.strictObject({
    name: z.string(),
    reachable: z.boolean(),
    since: time,
    cause: z.string().optional(),
  }),
  rollout: z.strictObject({ version: z.string(), state: rolloutState, left: z.array(slotName) }).nullable(),
  retries: z.strictObject({ requests: count, retries: count, refusedByBudget: count }),
  epoch: count,
  ring: z.strictObject({ algorithm: z.string(), digest: z.string() }),
  workers: z.strictObject({
    of: count,
    restarts: count,
    each: z.array(z.strictObject({ worker: count, pid: count, epoch: z.int() })),
  }),
  logLinesDropped: count,
  safeToDeploy: z.strictObject({ yes: z.boolean(), reasons: z.array(z.string()) }),
  settings: z.record(
    z.string(),
    z.strictObject({
      value: settingValue,
      from: z.enum(['default', 'file', 'environment', 'flag', 'derived']),
      where: z.string().optional(),
      changes: z.enum(['live', 'rollout', 'restart']).meta({ description: 'what another value needs' }),
      afterRestart: settingValue.optional(),
    }),
  ),
});

const settingChanges = z.array(z.strictObject({ name: z.string(), from: settingValue, to: settingValue }));

export const reload = z.strictObject({
  message: z.string().meta({ description: 'all of it in words, as the log has it' }),
  changed: settingChanges.meta({ description: 'in force in all workers' }),
  rollout: settingChanges.meta({ description: 'what a roll-out brings that has begun' }),
  afterRestart: settingChanges.meta({ description: 'what a running torc does not change' }),
  files: z.array(z.string()).meta({ description: 'files that were read again and say something else' }),
});

export const replaced = z.strictObject({
  message: z.string().meta({ description: 'all of it in words, as the log has it' }),
  pid: count.meta({ description: 'of the torc that has taken over' }),
  version: z.string(),
  node: z.string(),
});

export const rollout = z.union([
  z.strictObject({ state: z.literal('none') }),
  z.strictObject({
    version: z.string(),
    state: rolloutState,
    done: z.array(slotName),
    now: slotName.nullable(),
    left: z.array(slotName),
    why: z.string().nullable(),
    startedAt: time,
    endedAt: time.nullable(),
  }),
]);

export const explanation = z.union([
  z.strictObject({
    source: z.literal('random'),
    key: z.null(),
    bytes: z.null(),
    servedBy: z.null(),
    because: z.string(),
    epoch: count,
  }),
  z.strictObject({
    source: z.string(),
    key: z.string(),
    bytes: z.string().meta({ description: 'the key in hex' }),
    hash: hex,
    row: count,
    rows: count,
    algorithm: z.string(),
    choices: z.array(z.strictObject({ slot: slotName, state, skipped: z.string().optional() })),
    servedBy: slotName.nullable(),
    because: z.string(),
    epoch: count,
  }),
]);

const balance = z.strictObject({
  slots: count,
  total: z.number(),
  mean: z.number(),
  min: z.number(),
  max: z.number(),
  maxToMean: z.number(),
  stdev: z.number(),
  p50: z.number(),
  p90: z.number(),
  p99: z.number(),
});

export const whatIf = z.strictObject({
  slotsNow: count,
  slotsThen: count,
  moved: share,
  optimum: share,
  pairs: z.array(z.strictObject({ from: slotName.nullable(), to: slotName.nullable(), share })),
  before: balance,
  after: balance,
  added: z.array(slotName),
  removed: z.array(slotName),
});

const digest = z
  .string()
  .regex(/^[0-9a-f]{16}$/)
  .meta({ description: 'of ring, source of keys, names and weights: two torcs of one digest route alike' });

export const ring = z.strictObject({
  digest,
  algorithm: z.string(),
  key: z.string().meta({ description: 'TORC_KEY' }),
  rows: count,
  choices: count,
  epoch: count,
  checksum: hex,
  tableVersion: count,
  slots: z.array(
    z.strictObject({
      slot: slotName,
      id: count,
      weight,
      serverId: count.nullable(),
      rows: count,
      share,
    }),
  ),
  workers: z.array(
    z.strictObject({ worker: count, pid: count, epoch: z.int(), checksum: hex, current: z.boolean() }),
  ),
});

export const hotKeys = z.strictObject({
  mode: z.enum(['off', 'hash', 'on']),
  keysAre: z.enum(['plain', 'hashed']),
  halfLifeS: z.number(),
  requestsPerS: z.number().min(0),
  keylessShare: share,
  keys: z.array(
    z.strictObject({
      key: z.string(),
      cut: z.literal(true).optional(),
      share,
      shareNow: share,
      requestsPerS: z.number().min(0),
      slot: slotName.nullable(),
    }),
  ),
});

const statsSlot = { ...replicaFields, readySince: time.optional() };

export const stats = z.strictObject({
  at: time,
  version: z.string(),
  startedAt: time,
  caller: z
    .strictObject({ name: z.string(), operate: z.boolean(), command: z.boolean() })
    .meta({ description: 'who reads this, whether they may change something, and name a command' }),
  driver: z.strictObject({
    name: z.string(),
    creates: z.boolean().meta({ description: 'false where the replicas are given' }),
    orders: z
      .boolean()
      .meta({ description: 'given by an orchestrator that is told how many and which version (swarm)' }),
    reachable: z.boolean(),
    since: time,
    cause: z.string().optional(),
  }),
  total: z.strictObject({
    requestsPerSecond: z.number().optional(),
    errorsPerSecond: z.number().optional(),
    p50Us: us,
    p99Us: us,
    inFlight: count,
  }),
  replicas: z.strictObject({ ready: count, of: count }),
  spares: z.strictObject({ ready: count, of: count, each: z.record(slotName, z.strictObject(statsSlot)) }),
  ring: z.strictObject({ algorithm: z.string(), rows: count, epoch: count }),
  workers: z.strictObject({ current: count, of: count }),
  rollout: z.strictObject({
    state: z.enum(['none', 'running', 'succeeded', 'stopped']),
    version: z.string().optional(),
    done: z.array(slotName).optional(),
    now: slotName.optional(),
    left: z.array(slotName).optional(),
    why: z.string().optional(),
    startedAt: time.optional(),
    endedAt: time.optional(),
  }),
  slots: z.record(
    slotName,
    z.strictObject({
      ...statsSlot,
      share,
      weight: weight.optional(),
      lent: z.array(z.strictObject({ to: slotName, share })).optional(),
      requestsPerSecond: z.number().optional(),
      errorsPerSecond: z.number().optional(),
      p50Us: us,
      p99Us: us,
      inFlight: count,
    }),
  ),
});

export const alive = z.strictObject({ status: z.literal('alive') });
export const ready = z.strictObject({ status: z.enum(['ready', 'not ready']), ready: count, slots: count });

export const change = z.strictObject({
  seq: count,
  atMs: z.number(),
  slot: slotName,
  spare: z.boolean(),
  replicaId: z.string(),
  label: z.string(),
  generation: count,
  from: state,
  to: state,
  cause: z.string(),
  source,
  detectedMs: z.number().optional(),
  ejectedMs: z.number().optional(),
  readyMs: z.number().optional(),
});

export const notice = z.strictObject({
  seq: count,
  atMs: z.number(),
  topic: z.enum(['rollout', 'scale', 'weight', 'worker', 'settings', 'machine', 'replace']),
  text: z.string(),
});

export const event = z.union([change, notice]);
