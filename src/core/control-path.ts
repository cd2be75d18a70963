// Which requests are torc's own. One parser for everybody: the worker that tells a control request from a client's, and
// the primary that answers it, see the same bytes the same way. Paths are compared raw, byte by byte: one with a percent
// sign, a backslash or dot segments in it is no control path, so what a proxy in front forbids cannot be asked for under
// another spelling. Every method of a control path is torc's: an OPTIONS that a replica answered could open /add to any
// web page.

/** Which control paths the public port has (TORC_ADMIN_PATHS). */
export type AdminPaths = 'both' | 'separate' | 'off-public';

export interface ControlTarget {
  /** As the client sent it, without the query. */
  readonly path: string;
  /** Behind the question mark, '' without one. */
  readonly query: string;
}

/** What tells most targets apart before anything is cut. */
const MAYBE = /^\/(?:rep|rm|add|admin|metrics|requests\/)/;
const ASSIGNMENT = /^\/(?:rep|add|rm|requests\/[^/]+)$/;
const ADMIN = /^\/(?:metrics$|admin$|admin\/)/;

/** Whether the public port answers `target` itself. Hot: runs per request. */
export function isControl(target: string, paths: AdminPaths): boolean {
  if (paths === 'off-public' || (target.charCodeAt(0) === 0x2f && !MAYBE.test(target))) return false;
  const { path } = splitTarget(target);
  return ASSIGNMENT.test(path) || (paths === 'both' && ADMIN.test(path));
}

/** Path and query of an origin-form or absolute-form target (RFC 9112 section 3.2). */
export function splitTarget(target: string): ControlTarget {
  const origin = target.charCodeAt(0) === 0x2f ? target : target.replace(/^https?:\/\/[^/?]*/i, '');
  const question = origin.indexOf('?');
  return question === -1
    ? { path: origin, query: '' }
    : { path: origin.slice(0, question), query: origin.slice(question + 1) };
}
