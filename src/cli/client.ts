// Asks a running torc one question over its control endpoints, as curl would, and says in one line what to do where that
// fails: nobody there, a wrong or missing token, somebody who is no torc, or a torc that does not know the question.

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Target } from './target.ts';

/** To connect, and until the head of an answer; a roll-out and a reload answer when they are over. */
const ANSWER_MS = 15_000;
/** Whatever somebody else sends. */
const MOST_BYTES = 16 * 1024 * 1024;

export interface Answered {
  readonly kind: 'answer';
  readonly status: number;
  readonly text: string;
}

export type Outcome = Answered | { readonly kind: 'fault'; readonly fault: string };

export interface Question {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path and query. */
  readonly path: string;
  /** What is sent as JSON. */
  readonly body?: object;
  /** It answers when something is over. */
  readonly isLong?: true;
}

export function ask(target: Target, question: Question): Promise<Outcome> {
  const { method, path, body, isLong } = question;
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers: Record<string, string | number> = { accept: 'application/json', connection: 'close' };
  if (target.token !== null) headers.authorization = `Bearer ${target.token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['content-length'] = Buffer.byteLength(text);
  const send = target.url.startsWith('https:') ? httpsRequest : httpRequest;
  const where = target.socketPath === null ? new URL(path, target.url) : new URL(path, 'http://localhost');
  return new Promise(resolve => {
    const failed = (error: NodeJS.ErrnoException): void =>
      resolve({ kind: 'fault', fault: unreachable(target.url, error) });
    const options = target.socketPath === null ? {} : { socketPath: target.socketPath };
    const request = send(where, { ...options, method, headers }, response => {
      request.setTimeout(0);
      let answer = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        answer += chunk;
        if (answer.length > MOST_BYTES) response.destroy(new Error('it sends without an end'));
      });
      response.on('error', failed);
      response.on('end', () => resolve({ kind: 'answer', status: response.statusCode ?? 0, text: answer }));
    });
    request.on('error', failed);
    if (isLong !== true)
      request.setTimeout(ANSWER_MS, () =>
        request.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)),
      );
    request.end(text);
  });
}

function unreachable(url: string, error: NodeJS.ErrnoException): string {
  const code = error.code ?? error.message;
  if (code === 'ECONNREFUSED' || code === 'ENOENT')
    return `nothing answers at ${url}: start torc, or say where it runs with --url (or HOST, PORT, TORC_ADMIN_PORT as it has them)`;
  if (code === 'EACCES') return `${url} may not be opened by this user: run this as the user of torc`;
  return `${url} cannot be asked (${code}): is that where torc runs? say so with --url`;
}

/** Why an answer is none, in one line; null where it is one. `version`: of the torc that asks. */
export async function faultOf(target: Target, question: Question, answer: Answered): Promise<string | null> {
  const { status, text } = answer;
  const message = messageOf(text);
  if (status === 401)
    return `${target.url} needs a token: set TORC_ADMIN_TOKEN or TORC_ADMIN_TOKEN_FILE as the running torc has it (${message ?? 'HTTP 401'})`;
  if (status === 404 && message?.startsWith('there is no slot ')) return message;
  if (status === 404 || status === 405) return await notKnown(target, question);
  const faults = faultsIn(text);
  if (faults.length > 0) return ['nothing has changed:', ...faults].join('\n');
  if (status >= 400) return message ?? `${target.url} answered ${status}`;
  return isJson(text) ? null : `what answers at ${target.url} is no torc: say where it runs with --url`;
}

/** Asked of its own control side, so that another program's 404 is not taken for an old torc's. */
async function notKnown(target: Target, question: Question): Promise<string> {
  const status = await ask(target, { method: 'GET', path: '/admin/status' });
  const version = status.kind === 'answer' && status.status === 200 ? versionOf(status.text) : null;
  if (version === null) return `what answers at ${target.url} is no torc: say where it runs with --url`;
  const [path] = question.path.split('?');
  return `the torc at ${target.url} is ${version} and has no ${question.method} ${path}: use the torc command of its version`;
}

/** Of a failure's body. */
export function messageOf(text: string): string | null {
  const answer = parsed(text) as { message?: unknown } | null;
  return typeof answer?.message === 'string' ? answer.message.replace(/^<Error> /, '') : null;
}

/** Of a reload's failure: each fault of the settings. */
function faultsIn(text: string): string[] {
  const answer = parsed(text) as { faults?: unknown } | null;
  return Array.isArray(answer?.faults) ? answer.faults.map(fault => `  ${fault}`) : [];
}

function versionOf(text: string): string | null {
  const answer = parsed(text) as { version?: unknown } | null;
  return typeof answer?.version === 'string' ? answer.version : null;
}

const isJson = (text: string): boolean => parsed(text) !== undefined;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
