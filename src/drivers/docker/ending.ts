// How a container ended, what it said last, and what that asks for: everything that is read of one replica after the fact, for
// people. Nothing here throws: the container may be gone, the engine away, or the log driver one that keeps nothing to read.

import { adviceOn } from './advice.ts';
import { plainOutput } from './container.ts';
import type { Engine } from './engine.ts';
import { exitInWords } from './hints.ts';

/** Of a replica's output. */
const LAST_LINES = 20;
const LAST_WORDS_BYTES = 2048;

export interface LastWords {
  /** The end of what it printed, '' where nothing is known. */
  readonly output: string;
  /** The privileges that it asks for, null where it does not. */
  readonly advice: string | null;
}

/** How it ended; null where it runs, or nobody can say. */
export async function endOf(engine: Engine, id: string): Promise<string | null> {
  const found = await inspect(engine, id);
  if (found === null || found.State.Running) return null;
  return exitInWords(found.State.ExitCode) + (found.State.OOMKilled ? ', out of memory' : '');
}

export async function lastWordsOf(engine: Engine, id: string): Promise<LastWords> {
  const output = await outputOf(engine, id);
  const found = output === '' ? null : await inspect(engine, id);
  if (found === null) return { output, advice: null };
  const { CapAdd, CapDrop } = found.HostConfig as { CapAdd?: string[] | null; CapDrop?: string[] | null };
  const privileges = { User: found.Config.User, CapAdd: CapAdd ?? [], CapDrop: CapDrop ?? [] };
  return { output, advice: adviceOn(output, privileges) };
}

async function outputOf(engine: Engine, id: string): Promise<string> {
  try {
    const log = await engine.ask(`cannot read the log of container ${id.slice(0, 12)}`, docker =>
      docker.getContainer(id).logs({ stdout: true, stderr: true, tail: LAST_LINES, follow: false }),
    );
    return plainOutput(log).slice(-LAST_WORDS_BYTES).trim();
  } catch {
    return '';
  }
}

async function inspect(engine: Engine, id: string) {
  try {
    return await engine.inspect(id);
  } catch {
    return null;
  }
}
