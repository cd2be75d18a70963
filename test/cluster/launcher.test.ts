// What is left of a torc that was replaced passes signals on, also one that came in the very moment.

import { spawn } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { passSignalsOn } from '../../src/cluster/launcher.ts';
import { waitFor } from '../support/wait.ts';

const LONG = { timeoutMs: 20_000 };
const PROGRAM =
  "process.on('SIGUSR2', () => console.log('heard')); setInterval(() => {}, 1000); console.log('up')";

const test = suite('launcher');

test('a signal that was on its way when signals became another process’s is passed on', async () => {
  const own: string[] = [];
  const listen = (): void => void own.push('heard');
  process.on('SIGUSR2', listen);
  const child = spawn(process.execPath, ['-e', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', chunk => {
    text += chunk;
  });
  try {
    await waitFor(() => text.includes('up'), { ...LONG, what: 'the other process' });
    // Delivered by its return, and told in a later turn of the loop.
    process.kill(process.pid, 'SIGUSR2');
    passSignalsOn(child.pid!);
    await waitFor(() => text.includes('heard'), { ...LONG, what: 'the signal' });
    assert.equal(own, []);
  } finally {
    child.kill('SIGKILL');
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2']) process.removeAllListeners(signal);
  }
});

test.run();
