// `/admin/openapi.json`: the control endpoints as an OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.0), made from the
// same schemas that check bodies and that the tests hold the answers against. Schemas with a name are components; what is
// strict in those of answers is not told, because a client has to bear fields that it does not know.

import { z } from 'zod';
import { type Endpoint, endpoints, type Parameter } from './endpoints.ts';
import { membership, rolloutBody } from './payload.ts';
import * as schemas from './schemas.ts';

type Json = Record<string, unknown>;

type Named = Readonly<Record<string, z.ZodType>>;

const bodies: Named = { Membership: membership, RolloutRequest: rolloutBody };

const answers: Named = {
  Failure: schemas.failure,
  Members: schemas.members,
  Requests: schemas.requests,
  Slots: schemas.slots,
  Slot: schemas.slot,
  Spare: schemas.spare,
  Stats: schemas.stats,
  Status: schemas.status,
  Explanation: schemas.explanation,
  WhatIf: schemas.whatIf,
  Ring: schemas.ring,
  HotKeys: schemas.hotKeys,
  Rollout: schemas.rollout,
  Reload: schemas.reload,
  Replaced: schemas.replaced,
  Event: schemas.event,
  Ready: schemas.ready,
};

function plain({ jsonSchema }: { jsonSchema: Json }): void {
  // zod says of every integer that it is a safe one.
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
}

function lenient(context: { jsonSchema: Json }): void {
  plain(context);
  if (context.jsonSchema.additionalProperties === false) delete context.jsonSchema.additionalProperties;
}

export function openApi(version: string): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'torc',
      version,
      description:
        "The control endpoints. Where no token is set, they are for requests from torc's own machine (docs/api.md).",
    },
    components: {
      schemas: { ...components(bodies, plain), ...components(answers, lenient) },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
    paths: pathsOf(endpoints),
  };
}

function components(named: Named, override: typeof plain): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const { schemas: found } = z.toJSONSchema(registry, { override, uri: refOf });
  return Object.fromEntries(
    Object.entries(found).map(([id, { $id: _, $schema: __, ...schema }]) => [id, schema]),
  );
}

const refOf = (id: string): string => `#/components/schemas/${id}`;

function schemaOf(schema: z.ZodType): Json {
  const name = Object.entries({ ...bodies, ...answers }).find(([, each]) => each === schema)?.[0];
  if (name !== undefined) return { $ref: refOf(name) };
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { override: lenient });
  return rest;
}

function pathsOf(all: readonly Endpoint[]): Json {
  const paths: Record<string, Json> = {};
  for (const endpoint of all) {
    const operations = paths[endpoint.path] ?? {};
    operations[endpoint.method.toLowerCase()] = operationOf(endpoint);
    paths[endpoint.path] = operations;
  }
  return paths;
}

function operationOf({ method, path, need, summary, parameters, body, answers }: Endpoint): Json {
  const words = path.match(/[a-z]+/g)!.filter(word => word !== 'admin');
  return {
    operationId: [method.toLowerCase(), ...words]
      .map((word, at) => (at === 0 ? word : capital(word)))
      .join(''),
    summary,
    // Either: which one depends on whether tokens are set.
    security: need === 'nothing' ? [] : [{ token: [] }, {}],
    ...(parameters.length === 0 ? {} : { parameters: parameters.map(parameterOf) }),
    ...(body === null ? {} : { requestBody: { required: true, content: jsonOf(body) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([code, answer]) => [
          code,
          { description: summary, content: typeof answer === 'string' ? textOf(answer) : jsonOf(answer) },
        ]),
      ),
      default: { description: 'why not, and what to do', content: jsonOf(schemas.failure) },
    },
  };
}

const parameterOf = ({ schema, ...rest }: Parameter): Json => ({ ...rest, schema: schemaOf(schema) });
const jsonOf = (schema: z.ZodType): Json => ({ 'application/json': { schema: schemaOf(schema) } });
const textOf = (type: string): Json => ({ [type]: { schema: { type: 'string' } } });
const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1);
