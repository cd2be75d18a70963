// The small languages inside a Compose file: variables, dotenv files, command lines, placeholders. Examples say what they
// mean; fast-check looks for a text that never ends, or that ends in anything but a value or a clear fault.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DotenvError, parseDotenv, parseRawEnv } from '../../src/service/dotenv.ts';
import { expandText } from '../../src/service/expand.ts';
import { interpolate, TemplateError } from '../../src/service/interpolate.ts';
import { durationMs } from '../../src/service/scalars.ts';
import type { Place } from '../../src/service/shape.ts';
import { wordsOf } from '../../src/service/short-syntax.ts';

const words = suite('service words');
const variables: Record<string, string> = { SET: 'set', EMPTY: '', A: '1' };
const lookup = (name: string): string | undefined =>
  Object.hasOwn(variables, name) ? variables[name] : undefined;
/** The linter takes a dollar and a brace for a slip. */
const dollars = (text: string): string => text.replaceAll('§', '$');
const place = (faults: string[]): Place => ({
  path: [],
  file: 'x.yaml',
  where: () => 'x.yaml:1',
  faults,
  lookup,
  resolve: path => path,
});

words('variables, as the specification has them', () => {
  const table: Readonly<Record<string, string>> = {
    'plain $ 5$ $1': 'plain $ 5$ $1',
    $$SET: '$SET',
    $SETx: '',
    '${SET}x': 'setx',
    '${NO:-d}${NO-d}${EMPTY:-d}${EMPTY-d}': 'ddd',
    '${SET:+o}${NO:+o}${EMPTY:+o}${EMPTY+o}': 'oo',
    '${NO:-${EMPTY:-${SET}}}': 'set',
    '${NO:-{"a":{}}}': '{"a":{}}',
    '${SET:?must}': 'set',
    '${NO-a:-b}': 'a:-b',
  };
  for (const [text, meaning] of Object.entries(table)) assert.is(interpolate(text, lookup), meaning, text);
});

words('a variable that is needed, or no variable at all, is a fault that says which', () => {
  for (const [text, said] of [
    ['§{NO?}', 'needs the variable NO'],
    ['§{NO:?set it, $SET}', 'needs the variable NO: set it, set'],
    ['§{EMPTY:?x}', 'needs the variable EMPTY: x'],
    ['§{}', 'names no variable'],
    ['§{SET', 'has no }'],
    ['§{SET!}', 'is not one of'],
    [`${'§{NO:-'.repeat(60)}${'}'.repeat(60)}`, 'nests more than'],
  ] as const)
    assert.throws(
      () => interpolate(dollars(text), lookup),
      new RegExp(said.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')),
      text,
    );
});

words('dotenv: faults name the line', () => {
  for (const [text, said] of [
    ['A=1\nB C=2', 'line 2: "B C" has a space'],
    ['A=1\n\n# c\nB="x\ny', 'line 4: B begins with " and has no other'],
    ['A=§{X?no}', 'line 1: A needs the variable X: no'],
    ['=x', 'line 1: "=x" has no name'],
    ['A=1\n{', 'line 2: "{" cannot stand in the name'],
  ] as const)
    assert.throws(
      () => parseDotenv(dollars(text)),
      new RegExp(said.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')),
      text,
    );
  assert.throws(() => parseRawEnv('A=1\nb c=1'), /line 2/);
});

words('dotenv: raw takes everything as it stands', () => {
  const found = parseRawEnv('A="x" # y\n#c\nSET\nNO\nB=\r\n', lookup);
  assert.equal(
    [...found],
    [
      ['A', '"x" # y'],
      ['SET', 'set'],
      ['B', ''],
    ],
  );
});

words('any text comes to a value or a clear fault', () => {
  const pieces = fc.constantFrom(
    '$',
    '{',
    '}',
    ':',
    '-',
    '?',
    '+',
    'A',
    'SET',
    '"',
    "'",
    '\\',
    '\n',
    '#',
    ' ',
    '=',
    'export ',
    'x',
  );
  const text = fc.oneof(
    fc.array(pieces, { maxLength: 40 }).map(parts => parts.join('')),
    fc.string({ unit: 'binary', maxLength: 60 }),
  );
  const ends = (read: () => unknown, fault: typeof TemplateError | typeof DotenvError): void => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof fault)) throw error;
      assert.ok(error.message.length > 10 && error.message.length < 400, error.message);
    }
  };
  fc.assert(
    fc.property(text, given => {
      ends(() => interpolate(given, lookup), TemplateError);
      ends(() => parseDotenv(given, lookup), DotenvError);
      ends(() => parseRawEnv(given, lookup), DotenvError);
      const faults: string[] = [];
      assert.is(wordsOf(given, place(faults)) === undefined, faults.length === 1);
    }),
    { numRuns: 2000 },
  );
});

words('long texts take no longer than they are long', () => {
  for (const text of [
    '$'.repeat(200_001),
    '${A:-'.repeat(40_000),
    '{'.repeat(200_000),
    ' #'.repeat(100_000),
  ]) {
    const begin = performance.now();
    for (const read of [
      () => interpolate(text, lookup),
      () => parseDotenv(`X=${text}`),
      () => parseDotenv(text),
    ])
      try {
        read();
      } catch (error) {
        assert.ok(error instanceof TemplateError || error instanceof DotenvError, String(error));
      }
    assert.ok(performance.now() - begin < 5000, text.slice(0, 10));
  }
});

words('a command line is split as Compose splits it; what a shell would do is a fault', () => {
  const split = (line: string): string[] | string => {
    const faults: string[] = [];
    return wordsOf(line, place(faults)) ?? faults.join();
  };
  assert.equal(split(`a "b c" 'd "e' f\\ g "" h\\"`), ['a', 'b c', 'd "e', 'f g', '', 'h"']);
  assert.match(split('a && b') as string, /has & for a shell/);
  assert.match(split('a "b') as string, /has no second "/);
});

words('placeholders are three words, and Docker keeps its own', () => {
  const all = { slot: '7', generation: 3, port: 20001 };
  assert.is(
    expandText('{{slot}}-{{ generation }}:{{port}} {{.Name}} {{slots}}', all),
    '7-3:20001 {{.Name}} {{slots}}',
  );
});

words('durations in milliseconds', () => {
  assert.equal(
    ['10s', '1m30s', '500ms', '1h0m0s', '0s'].map(durationMs),
    [10_000, 90_000, 500, 3_600_000, 0],
  );
});

words.run();
