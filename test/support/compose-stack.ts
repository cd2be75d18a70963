// A Compose file of docker/ as a project of a test: a port and a network of its own, and torc asked from this machine.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from './torc.ts';

export interface Ended {
  readonly code: number | null;
  /** All that it printed. */
  readonly output: string;
}

export interface ComposeStack {
  readonly url: string;
  /** The container that torc is in. */
  readonly balancer: string;
  /** More settings for the next `compose`. */
  settings: Readonly<Record<string, string>>;
  /** Runs `docker compose ARGS`. */
  readonly compose: (...args: string[]) => Promise<Ended>;
  /** Runs `docker ARGS`. */
  readonly run: (...args: string[]) => Promise<Ended>;
  /** How many replicas are; 0 where torc does not answer. */
  readonly readyCount: () => Promise<number>;
}

export async function composeProject(network: string, name = 'compose.yaml'): Promise<ComposeStack> {
  const file = join(import.meta.dirname, '..', '..', 'docker', name);
  const port = String(await freePort());
  const url = `http://127.0.0.1:${port}`;
  const run = (...args: string[]): Promise<Ended> =>
    new Promise((resolve, reject) => {
      const settings = { TORC_DRAIN_TIMEOUT_MS: '1000', ...project.settings };
      const child = spawn('docker', args, {
        env: { ...process.env, PORT: port, TORC_NETWORK: network, ...settings },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      const collect = (chunk: Buffer): void => {
        output += chunk.toString();
      };
      child.stdout.on('data', collect);
      child.stderr.on('data', collect);
      child.on('error', reject);
      child.on('close', code => resolve({ code, output }));
    });
  const project: ComposeStack = {
    url,
    balancer: `${network}-balancer-1`,
    settings: {},
    compose: (...args) => run('compose', '-f', file, '-p', network, ...args),
    run,
    readyCount: () =>
      fetch(`${url}/admin/ready`).then(
        async response => ((await response.json()) as { ready: number }).ready,
        () => 0,
      ),
  };
  return project;
}
