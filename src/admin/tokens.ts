// The tokens that open the control endpoints. One in TORC_ADMIN_TOKEN; one or several in TORC_ADMIN_TOKEN_FILE (what
// Docker and Kubernetes mount as a secret), each with a name for the log and a role: who scrapes metrics need not be able
// to remove replicas. Only digests are kept, and all of them are compared, each in constant time, so that neither memory
// nor timing tells a token.

import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { StartError } from '../core/errors.ts';

export interface Token {
  readonly name: string;
  readonly role: 'read' | 'operate';
  readonly digest: Buffer;
}

const LONGEST_FILE = 64 * 1024;
const TOKEN = /^[!-~]{8,}$/;
const NAME = /^[A-Za-z0-9._-]{1,63}$/;
/** Of a token that was given without one. */
const ONLY_NAME = 'admin';

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** All tokens of the two settings; StartError when the file cannot be read or a line of it is wrong. */
export function loadTokens(token: string | null, file: string | null): readonly Token[] {
  const tokens: Token[] =
    token === null ? [] : [{ name: ONLY_NAME, role: 'operate', digest: digestOf(token) }];
  if (file === null) return tokens;
  const found = parseTokens(readTokens(file));
  if (typeof found === 'string') throw new StartError(`TORC_ADMIN_TOKEN_FILE: ${file}: ${found}`);
  return tokens.concat(found);
}

function readTokens(file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length <= LONGEST_FILE) return text;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(`TORC_ADMIN_TOKEN_FILE: ${file} cannot be read (${code})`, { cause: error });
  }
  throw new StartError(`TORC_ADMIN_TOKEN_FILE: ${file} is over 64 KiB`);
}

/** A line "NAME read|operate TOKEN" for each, or one token alone; `#` begins a comment. A string says what is wrong. */
export function parseTokens(text: string): readonly Token[] | string {
  const tokens: Token[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const words = line.trim().split(/\s+/);
    if (words[0] === '' || words[0]!.startsWith('#')) continue;
    const [name, role, token] = words.length === 1 ? [ONLY_NAME, 'operate', words[0]!] : words;
    const where = `line ${index + 1}`;
    if (words.length !== 1 && words.length !== 3)
      return `${where} is neither TOKEN nor NAME read|operate TOKEN`;
    if (!NAME.test(name!)) return `${where}: a name has 1 to 63 letters, digits, ".", "_", "-"`;
    if (role !== 'read' && role !== 'operate') return `${where}: the role is read or operate`;
    if (!TOKEN.test(token!)) return `${where}: a token has at least 8 printable characters`;
    if (tokens.some(other => other.name === name)) return `${where}: the name ${name} is there twice`;
    tokens.push({ name: name!, role, digest: digestOf(token!) });
  }
  return tokens.length === 0 ? 'it has no token' : tokens;
}

export const tokenNames = (tokens: readonly Token[]): string =>
  tokens.map(({ name, role }) => `${name} (${role})`).join(', ') || 'none';

/** The token of the one Authorization field, null where there is none (RFC 6750 section 2.1). */
export function bearerOf(authorizations: readonly string[]): string | null {
  if (authorizations.length !== 1) return null;
  return /^Bearer +(\S+)\s*$/i.exec(authorizations[0]!)?.[1] ?? null;
}

export function tokenOf(tokens: readonly Token[], given: string): Token | null {
  const digest = digestOf(given);
  let found: Token | null = null;
  for (const token of tokens) if (timingSafeEqual(token.digest, digest)) found ??= token;
  return found;
}
