// `.env` and `env_file`, read as Compose reads them: NAME=value or NAME: value, `export` before it, # comments, 'taken as
// it stands', "with \n escapes and $VARIABLES", values over several lines within quotes, and a NAME alone that takes its
// value from the environment. npm's dotenv is another language (backticks, no variables, # without a space before it), so
// a file would mean one thing under `docker compose` and another here; the rules below are compose-go's, statement by
// statement. `raw` is Docker's own format (docker run --env-file): everything behind = as it stands.
// https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax

import { interpolate, type Lookup, TemplateError } from './interpolate.ts';

export class DotenvError extends Error {}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '"': '"',
  '\\': '\\',
  $: '$$',
};
/** White space of one line. */
const BLANK = '[\\t\\v\\f\\r \\u0085\\u00a0]';
const EXPORT = new RegExp(`^export${BLANK}+`);
const LEADING_BLANKS = new RegExp(`^${BLANK}+`);
const KEY = /^[\p{L}\p{N}_.\-[\]\t\v\f\r \u0085\u00a0]*/u;

/** Adds names and values to `found`; `lookup` is asked before what stands there. Throws DotenvError. */
export function parseDotenv(
  text: string,
  lookup: Lookup = () => undefined,
  found: Map<string, string> = new Map(),
): Map<string, string> {
  const source = text.replace(/^\ufeff/, '');
  let rest = skipToStatement(source);
  const fault = (wrong: string): DotenvError =>
    new DotenvError(`line ${lineOf(source, source.length - rest.length)}: ${wrong}`);
  while (rest !== '') {
    rest = rest.replace(EXPORT, '');
    const key = KEY.exec(rest)![0];
    const end = rest[key.length];
    const name = key.trim();
    if (end !== undefined && end !== '=' && end !== ':' && end !== '\n')
      throw fault(`"${end}" cannot stand in the name of a variable ("${shown(rest)}")`);
    if (/\s/.test(name)) throw fault(`"${shown(name)}" has a space; allowed: NAME=value`);
    if (name === '') throw fault(`"${shown(rest)}" has no name; allowed: NAME=value`);
    if (end === undefined || end === '\n') {
      const inherited = lookup(name);
      if (inherited !== undefined) found.set(name, inherited);
      rest = skipToStatement(rest.slice(key.length + 1));
      continue;
    }
    const value = rest.slice(key.length + 1).replace(LEADING_BLANKS, '');
    const both: Lookup = asked => lookup(asked) ?? found.get(asked);
    try {
      const [read, after] =
        value[0] === '"' || value[0] === "'" ? quoted(value, both) : unquoted(value, both);
      found.set(name, read);
      rest = skipToStatement(after);
    } catch (error) {
      if (error instanceof TemplateError || error instanceof DotenvError)
        throw fault(`${name} ${error.message}`);
      throw error;
    }
  }
  return found;
}

function unquoted(text: string, lookup: Lookup): [value: string, rest: string] {
  const newline = text.indexOf('\n');
  const line = newline === -1 ? text : text.slice(0, newline);
  const comment = line.indexOf(' #');
  const value = (comment === -1 ? line : line.slice(0, comment)).trimEnd();
  return [interpolate(value, lookup), newline === -1 ? '' : text.slice(newline + 1)];
}

function quoted(text: string, lookup: Lookup): [value: string, rest: string] {
  const quote = text[0]!;
  let value = '';
  for (let at = 1; at < text.length; at++) {
    const char = text[at]!;
    if (char === quote)
      return [quote === '"' ? interpolate(unescaped(value), lookup) : value, text.slice(at + 1)];
    if (char !== '\\' || at + 1 === text.length) value += char;
    else if (text[++at] === quote) value += quote;
    else value += `\\${text[at]}`;
  }
  throw new DotenvError(`begins with ${quote} and has no other: ${shown(text)}`);
}

/** As Go writes text: \0 and three octal digits are a character; what is no escape stays as it is. */
const unescaped = (text: string): string =>
  text.replace(/\\(?:([abfnrtv$"\\])|0([0-7]{3}))/g, (_match, letter: string | undefined, octal: string) =>
    letter === undefined ? String.fromCodePoint(Number.parseInt(octal, 8)) : ESCAPES[letter]!,
  );

function skipToStatement(text: string): string {
  let rest = text.trimStart();
  while (rest.startsWith('#')) {
    const newline = rest.indexOf('\n');
    rest = newline === -1 ? '' : rest.slice(newline).trimStart();
  }
  return rest;
}

export function parseRawEnv(
  text: string,
  lookup: Lookup = () => undefined,
  found: Map<string, string> = new Map(),
): Map<string, string> {
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    const statement = line.trimStart();
    if (statement === '' || statement.startsWith('#')) continue;
    const equals = statement.indexOf('=');
    const name = equals === -1 ? statement : statement.slice(0, equals);
    if (name === '' || /\s/.test(name))
      throw new DotenvError(`line ${index + 1}: "${shown(name)}" is no name; allowed: NAME=value`);
    const value = equals === -1 ? lookup(name) : statement.slice(equals + 1);
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

const shown = (text: string): string => {
  const line = text.split('\n')[0]!;
  return line.length > 60 ? `${line.slice(0, 60)}...` : line;
};
