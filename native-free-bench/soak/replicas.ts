// The replicas of a soak's torc, as it makes them: processes of a command, or containers of an image on an engine of the
// soak's own, which then is killed too. What torc is told, what is rolled out, and how one of them gets a signal: as the
// kernel or a person would send it, past torc and past the engine.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../src/core/random.ts';
import { BUNDLED_IMAGE } from '../../src/drivers/docker/image.ts';
import { makeImage } from '../../test/support/engine.ts';
import { OwnEngine } from '../../test/support/own-engine.ts';

const PROGRAM = join(import.meta.dirname, 'replica.ts');
const IMAGE = 'torc-soak';
const TAGS = ['a', 'b'];

export interface Replicas {
  /** Settings of torc. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string>>;
  /** Null where there is none to be killed. */
  readonly engine: OwnEngine | null;
  /** The body of a roll-out. */
  another(random: Random): object;
  /** `label`: as torc names the replica. */
  signal(label: string, signal: NodeJS.Signals): Promise<void>;
  close(): Promise<void>;
}

export function processes(): Replicas {
  const command = `exec ${process.execPath} ${PROGRAM}`;
  return {
    settings: { driver: 'process', 'replica-command': command },
    env: {},
    engine: null,
    another: random => ({ command: `V=${Math.floor(random() * 1e6)} ${command}` }),
    signal: async (label, signal) => void process.kill(Number(label.replace('pid ', '')), signal),
    close: async () => {},
  };
}

/** `directory`: of an engine of its own (test/support/own-engine.ts). */
export async function containers(directory: string): Promise<Replicas> {
  const engine = new OwnEngine(directory);
  await engine.start();
  await engine.borrow(BUNDLED_IMAGE);
  // The whole program is in the command: nothing has to be built where there is no network.
  const entrypoint = ['node', '--input-type=module-typescript', '--eval', readFileSync(PROGRAM, 'utf8')];
  for (const tag of TAGS) await makeImage(IMAGE, tag, entrypoint);
  let turn = 0;
  return {
    settings: {
      driver: 'docker',
      image: `${IMAGE}:${TAGS[0]}`,
      // An engine that starts ends all containers at once: who may wait does.
      'hold-ms': 30_000,
    },
    env: { DOCKER_HOST: process.env.DOCKER_HOST! },
    engine,
    another: () => ({ image: `${IMAGE}:${TAGS[++turn % TAGS.length]}` }),
    async signal(label, signal) {
      const { State } = await engine.docker.getContainer(label).inspect();
      // It runs beneath an init, whose stop would stop nothing.
      for (const pid of childrenOf(State.Pid)) process.kill(pid, signal);
    },
    close: () => engine.end('SIGTERM'),
  };
}

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}
