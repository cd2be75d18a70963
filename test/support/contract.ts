// Holds answers of the control side against the schemas that /admin/openapi.json is made of, strictly: what a test sees and
// the document does not say is a fault of one of them.

import { z } from 'zod';
import { type Endpoint, endpoints } from '../../src/admin/endpoints.ts';
import * as schemas from '../../src/admin/schemas.ts';
import { type AdminPaths, isControl, splitTarget } from '../../src/core/control-path.ts';

const patternOf = ({ path }: Endpoint): RegExp =>
  new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`);
const patterns = endpoints.map(endpoint => ({ endpoint, pattern: patternOf(endpoint) }));

const PAGE = /^\/admin(?:\/(?:page\/.+)?)?$/;

export interface Seen {
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Throws with what is wrong. Answers of replicas, and what has no JSON, pass. */
export function holdAgainstContract(seen: Seen, paths: AdminPaths): void {
  const { method, target, status, contentType, text } = seen;
  if (!isControl(target, paths) || text === '') return;
  const { path } = splitTarget(target);
  // The page is no JSON, and its files are for itself.
  if (status < 400 && PAGE.test(path)) return;
  const asked = method === 'HEAD' ? 'GET' : method;
  const found = patterns.find(({ endpoint, pattern }) => endpoint.method === asked && pattern.test(path));
  const answer = found?.endpoint.answers[status] ?? schemas.failure;
  const where = `${method} ${target} -> ${status}`;
  if (typeof answer === 'string') {
    if (!contentType.startsWith(answer)) throw new Error(`${where}: ${contentType}, not ${answer}`);
    return;
  }
  if (!contentType.startsWith('application/json')) throw new Error(`${where}: ${contentType}, not JSON`);
  const { success, error } = answer.safeParse(JSON.parse(text));
  if (!success) throw new Error(`${where} is not as documented:\n${z.prettifyError(error)}\n${text}`);
}
