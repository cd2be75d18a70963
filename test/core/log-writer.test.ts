// The log against real pipes: what nobody reads is bounded, dropped, counted and told; what is read comes whole and in
// order, also when several processes write to one pipe; and the end of a process does not wait for ever.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LogWriter, WAITING_BYTES } from '../../src/core/log-writer.ts';
import { waitFor } from '../support/wait.ts';

const writing = suite('log writer');
const dir = mkdtempSync(join(tmpdir(), 'torc-log-'));
const path = join(dir, 'pipe');
const module = join(import.meta.dirname, '../../src/core/log-writer.ts');
let reader = -1;
let end = -1;

writing.before.each(() => {
  execFileSync('mkfifo', [path]);
  reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  end = openSync(path, constants.O_WRONLY);
});
writing.after.each(() => {
  closeSync(reader);
  closeSync(end);
  rmSync(path);
});
writing.after(() => rmSync(dir, { recursive: true }));

/** What is in the pipe now. */
function read(): string {
  const chunk = Buffer.alloc(65_536);
  try {
    return chunk.toString('latin1', 0, readSync(reader, chunk));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return '';
    throw error;
  }
}

const line = (index: number, length = 200): string => `${String(index).padEnd(length, '.')}\n`;

writing(
  'a full pipe: writing goes on at once, 1 MiB waits, the rest is counted and told in its place',
  async () => {
    const gaps: number[] = [];
    const faults: (string | undefined)[] = [];
    const writer: LogWriter = new LogWriter(end, {
      onFault: error => faults.push(error.code),
      onGap(dropped) {
        gaps.push(dropped);
        writer.write(`gap ${dropped}\n`);
      },
    });
    const count = 20_000;
    for (let index = 0; index < count; index++) writer.write(line(index));
    const dropped = writer.takeDropped();
    assert.is(writer.takeDropped(), 0);
    // The pipe itself holds 64 KiB.
    const kept = count - dropped;
    assert.ok(kept * 201 <= WAITING_BYTES + 65_536 && kept * 201 > WAITING_BYTES - 65_536, `${kept} kept`);
    let text = '';
    await waitFor(
      () => {
        text += read();
        return text.includes('gap') && text.split('\n').length === kept + 2;
      },
      { timeoutMs: 20_000, what: 'all that was kept' },
    );
    assert.equal(faults, []);
    assert.equal(gaps, [dropped]);
    const expected = Array.from({ length: kept }, (_, index) => line(index)).join('');
    assert.is(text.replace(/gap \d+\n/, ''), expected);
    writer.write('after\n');
    await waitFor(() => read().endsWith('after\n'), { timeoutMs: 20_000, what: 'a line after the gap' });
  },
);

writing('two processes write to one slow pipe: every line is whole', async () => {
  const script = `import { LogWriter } from ${JSON.stringify(module)};
    const writer = new LogWriter(3, { onFault() {}, onGap() {} });
    for (let index = 0; index < 1500; index++)
      writer.write(JSON.stringify({ who: process.argv[1], index, text: 'x'.repeat((index * 37) % 6000) }) + '\\n');
    process.on('exit', () => writer.end());
    setInterval(() => {}, 1000);`;
  const children = ['a', 'b'].map(who => start(script, who));
  let text = '';
  await waitFor(
    () => {
      text += read();
      return ['a', 'b'].every(who => text.includes(`{"who":"${who}","index":300,`));
    },
    { timeoutMs: 20_000, what: 'lines of both' },
  );
  await Promise.all(children.map(ended));
  const lines = text.slice(0, text.lastIndexOf('\n')).split('\n');
  for (const each of lines) {
    assert.ok(each.length < 4096, `${each.length} bytes`);
    JSON.parse(each);
  }
  assert.ok(lines.some(each => each.includes('...')));
});

for (const how of ['process.exit(3)', 'throw new Error("crash")'])
  writing(`the end of a process (${how}) does not wait for a pipe that nobody reads`, async () => {
    const script = `import { LogWriter } from ${JSON.stringify(module)};
      const writer = new LogWriter(3, { onFault() {}, onGap() {} });
      process.on('exit', () => writer.end());
      for (let index = 0; index < 5000; index++) writer.write('x'.repeat(200) + '\\n');
      setImmediate(() => { ${how} });`;
    const child = start(script, '');
    const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout(20_000) })) as [number];
    assert.is(code, how.startsWith('throw') ? 1 : 3);
  });

writing('the end of a process: a reader that reads gets all of it', async () => {
  const script = `import { LogWriter } from ${JSON.stringify(module)};
    const writer = new LogWriter(3, { onFault() {}, onGap() {} });
    process.on('exit', () => writer.end());
    for (let index = 0; index < 100; index++) writer.write('x'.repeat(4000) + '\\n');
    writer.write('last\\n');
    process.exit(0);`;
  start(script, '');
  let text = '';
  await waitFor(
    () => {
      text += read();
      return text.endsWith('last\n');
    },
    { timeoutMs: 20_000, what: 'the last line' },
  );
  assert.is(text.length, 100 * 4001 + 5);
});

writing('a reader that is gone: told, never thrown', () => {
  const faults: (string | undefined)[] = [];
  const writer = new LogWriter(end, { onFault: error => faults.push(error.code), onGap() {} });
  closeSync(reader);
  writer.write('x\n');
  reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  assert.equal(faults, ['EPIPE']);
});

function start(script: string, argument: string): ChildProcess {
  return spawn(process.execPath, ['--input-type=module-typescript', '-e', script, argument], {
    stdio: ['ignore', 'ignore', 'ignore', end],
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

writing.run();
