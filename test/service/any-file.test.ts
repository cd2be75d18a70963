// Any YAML at all comes to a service or to faults that say where, never to an exception: each key of a service gets values of
// every kind, with !reset and !override among them, in one file and in two.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../src/config/load.ts';
import { serviceKeys } from '../../src/service/keys.ts';
import { loadCompose } from '../../src/service/load.ts';
import { parseYaml } from '../../src/service/yaml.ts';

const anyFile = suite('service any file');
const RUNS = 500;

/** A value as a flow of YAML. */
const scalar = fc.constantFrom(
  'null',
  '~',
  '1',
  '-1',
  '1.5',
  '017',
  'true',
  '""',
  'x',
  '"8080:80"',
  './a:/b:ro',
  'A=b',
  '10s',
  '64m',
  '"$X"',
  '"${"',
  '"$$X"',
  '2024-01-01',
  '[]',
  '{}',
  '!reset null',
  '!override x',
);
const { value } = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }).map(parts => `[${parts.join(', ')}]`),
    fc
      .uniqueArray(
        fc.tuple(
          fc.constantFrom('a', 'source', 'target', 'type', 'driver', '__proto__', 'constructor', 'x-y', '1'),
          tie('value'),
        ),
        {
          maxLength: 3,
          selector: ([key]) => key,
        },
      )
      .map(pairs => `{${pairs.map(([key, part]) => `${key}: ${part}`).join(', ')}}`),
    tie('value').map(part => (/^[[{]/.test(String(part)) ? `!override ${part}` : String(part))),
  ),
}));
const service = fc
  .uniqueArray(fc.tuple(fc.constantFrom('extends', ...Object.keys(serviceKeys)), value), {
    minLength: 1,
    maxLength: 4,
    selector: ([key]) => key,
  })
  .map(pairs => `{${pairs.map(([key, part]) => `${key}: ${part}`).join(', ')}}`);
const top = fc.oneof(
  { weight: 9, arbitrary: service.map(one => `{web: ${one}}`) },
  { weight: 1, arbitrary: value as fc.Arbitrary<string> },
);

anyFile('Compose files', () => {
  fc.assert(
    fc.property(top, top, value, (one, two, networks) => {
      const files: Record<string, string> = {
        '/p/a.yaml': `services: ${one}\nnetworks: ${networks}\n`,
        '/p/b.yaml': `services: ${two}\n`,
        '/p/x': 'A=b\n',
      };
      for (const names of [['a.yaml'], ['a.yaml', 'b.yaml']]) {
        const { project, faults } = loadCompose(names, 'web', {
          cwd: '/p',
          env: {},
          readFile: path => files[path] ?? null,
        });
        assert.is(project === null, faults.length > 0);
        for (const fault of faults)
          assert.match(fault, /^[ab]\.yaml(:\d+)?: |: there is no such file; .*(names it|allowed: )/);
        JSON.stringify(project);
      }
    }),
    { numRuns: RUNS },
  );
});

anyFile('settings files', () => {
  fc.assert(
    fc.property(fc.oneof(service, value as fc.Arbitrary<string>), value, (replica, other) => {
      const text = `replica: ${replica}\nreplicas: ${other}\nvolumes: ${other}\nkey: ${other}\n`;
      const loaded = loadConfig({}, [], {
        cwd: '/p',
        readFile: path => (path === '/p/torc.yaml' ? text : null),
      });
      assert.ok(loaded.kind === 'config' || (loaded.kind === 'faults' && loaded.faults.length > 0));
    }),
    { numRuns: RUNS },
  );
});

anyFile('texts that are hardly YAML', () => {
  const pieces = fc.constantFrom(
    'a',
    ': ',
    '- ',
    '\n',
    '  ',
    '{',
    '}',
    '[',
    ']',
    '&x ',
    '*x',
    '<<: ',
    '!t ',
    '"',
    "'",
    '|',
    '>',
    '#',
    '---\n',
    '? ',
    '\t',
    '\u0000',
    '%',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), parts => {
      const parsed = parseYaml(parts.join(''));
      assert.ok(Array.isArray(parsed) || parsed.faults.length > 0);
    }),
    { numRuns: RUNS },
  );
});

anyFile('an anchor that multiplies itself is a fault, at once', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let index = 1; index < 9; index++)
    lines.push(
      `a${index}: &a${index} [${Array(10)
        .fill(`*a${index - 1}`)
        .join(', ')}]`,
    );
  const parsed = parseYaml(lines.join('\n'));
  assert.not(Array.isArray(parsed));
});

anyFile.run();
