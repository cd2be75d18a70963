// The table of docs/conformance.md: the same cases against torc, nginx and HAProxy. Prints the cases that each fails,
// then areas x proxies.
//   node test/conformance/compare.ts [--only torc,nginx] [--match WORD] [--quiet]

import { parseArgs } from 'node:util';
import { plain, rawOrigin } from '../support/origin.ts';
import { type SubjectName, startSubject } from './subjects.ts';
import { cases, runCase, settled } from './suite.ts';
import type { Case } from './talk.ts';

const { values } = parseArgs({
  options: { only: { type: 'string' }, match: { type: 'string' }, quiet: { type: 'boolean' } },
});
const names = (values.only ?? 'torc,torc by http,torc by https,torc by http2,nginx,haproxy').split(
  ',',
) as SubjectName[];
const word = values.match ?? '';
const chosen = cases.filter(each => keyOf(each).includes(word));
const areas = [...new Set(chosen.map(({ area }) => area))];
const failed = new Map<SubjectName, Map<string, string>>();
/** What the relay of HTTP/2 has no words for. */
const unsaid = new Map<SubjectName, Set<string>>();
const out = (line: string): void => void process.stdout.write(`${line}\n`);

for (const name of names) unsaid.set(name, new Set());
for (const name of names) failed.set(name, await failuresOf(name));
if (values.quiet !== true) for (const name of names) printFailures(name);
printTable();

function keyOf({ area, name }: Case): string {
  return `${area}: ${name}`;
}

async function failuresOf(name: SubjectName): Promise<Map<string, string>> {
  const failures = new Map<string, string>();
  let origin = await rawOrigin(plain('hello'));
  let subject = await startSubject(name, origin.port);
  for (const each of chosen) {
    try {
      if (!(await runCase(each, { ...subject, origin }))) unsaid.get(name)!.add(keyOf(each));
    } catch (error) {
      failures.set(keyOf(each), String((error as Error).message).slice(0, 700));
      const well = await settled({ ...subject, origin }).then(
        () => true,
        () => false,
      );
      if (well) continue;
      out(`${name} was started again after "${each.name}"`);
      await subject.close();
      await origin.close();
      origin = await rawOrigin(plain('hello'));
      subject = await startSubject(name, origin.port);
    }
  }
  await subject.close();
  await origin.close();
  return failures;
}

function printFailures(name: SubjectName): void {
  for (const [what, why] of failed.get(name)!) {
    const others = names.filter(other => other !== name && failed.get(other)!.has(what));
    out(`${name} fails ${what}${others.length > 0 ? ` (so does ${others.join(', ')})` : ''}\n    ${why}`);
  }
}

/** Each proxy's column: musts passed / all passed. */
function printTable(): void {
  const cellsOf = (among: readonly Case[]): string => {
    const musts = among.filter(({ level }) => level === 'must');
    const passed = (of: readonly Case[], name: SubjectName): number =>
      of.filter(each => !failed.get(name)!.has(keyOf(each)) && !unsaid.get(name)!.has(keyOf(each))).length;
    const wordless = (name: SubjectName): string => {
      const count = among.filter(each => unsaid.get(name)!.has(keyOf(each))).length;
      return count === 0 ? '' : ` of ${among.length - count}`;
    };
    const cells = names.map(name => `${passed(musts, name)} / ${passed(among, name)}${wordless(name)}`);
    return `${musts.length} / ${among.length} | ${cells.join(' | ')}`;
  };
  out(`\n| area | musts / all | ${names.join(' | ')} |\n|---|${'---:|'.repeat(names.length + 1)}`);
  for (const area of areas) out(`| ${area} | ${cellsOf(chosen.filter(each => each.area === area))} |`);
  out(`| **all** | ${cellsOf(chosen)} |`);
}
