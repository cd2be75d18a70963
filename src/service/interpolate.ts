// Variables in the text of a Compose file, as the specification has them: $VAR, ${VAR}, ${VAR:-default}, ${VAR-default},
// ${VAR:?error}, ${VAR?error}, ${VAR:+other}, ${VAR+other}, nested in each other, and $$ for a dollar sign. A dollar sign
// before anything else stands for itself. Read from left to right, once; braces are counted, so a default may hold some.
// https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md

export type Lookup = (name: string) => string | undefined;

/** What is wrong with a text, in words that go behind its place. */
export class TemplateError extends Error {}

/** Deeper is no file that a person wrote. */
const DEEPEST = 50;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const OPERATOR = /:?[-+?]/y;

/** `onUnset` hears of each variable that has neither value nor default. Throws TemplateError. */
export function interpolate(
  text: string,
  lookup: Lookup,
  onUnset: (name: string) => void = () => {},
  depth = 0,
): string {
  if (depth > DEEPEST) throw new TemplateError(`nests more than ${DEEPEST} variables`);
  let result = '';
  let at = 0;
  for (;;) {
    const dollar = text.indexOf('$', at);
    if (dollar === -1) return result + text.slice(at);
    result += text.slice(at, dollar);
    const next = text[dollar + 1];
    if (next === '$') {
      result += '$';
      at = dollar + 2;
    } else if (next === '{') {
      const close = closingBrace(text, dollar + 1);
      if (close === -1)
        throw new TemplateError(`has no } for "${shown(text.slice(dollar))}"; a $ alone is $$`);
      result += braced(text.slice(dollar + 2, close), lookup, onUnset, depth);
      at = close + 1;
    } else {
      const name = matchAt(NAME, text, dollar + 1);
      if (name === '') result += '$';
      else result += plain(name, lookup, onUnset);
      at = dollar + 1 + name.length;
    }
  }
}

function braced(inside: string, lookup: Lookup, onUnset: (name: string) => void, depth: number): string {
  const name = matchAt(NAME, inside, 0);
  if (name === '') throw new TemplateError(`"\${${shown(inside)}}" names no variable; a $ alone is $$`);
  if (name.length === inside.length) return plain(name, lookup, onUnset);
  const operator = matchAt(OPERATOR, inside, name.length);
  if (operator === '')
    throw new TemplateError(
      `"\${${shown(inside)}}" is not one of \${VAR}, \${VAR:-default}, \${VAR:?error}, \${VAR:+other}`,
    );
  const word = inside.slice(name.length + operator.length);
  const rest = (): string => interpolate(word, lookup, onUnset, depth + 1);
  const value = lookup(name);
  const isThere = value !== undefined && !(operator.startsWith(':') && value === '');
  if (operator.endsWith('+')) return isThere ? rest() : '';
  if (isThere) return value;
  if (operator.endsWith('-')) return rest();
  const why = rest();
  throw new TemplateError(`needs the variable ${name}${why === '' ? '' : `: ${why}`}`);
}

function plain(name: string, lookup: Lookup, onUnset: (name: string) => void): string {
  const value = lookup(name);
  if (value === undefined) onUnset(name);
  return value ?? '';
}

function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  return -1;
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

const shown = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}...` : text);
