// The balancer image's entry: gives up root, then runs torc. The mounted Docker socket belongs to a group whose number
// differs from machine to machine, so no USER line and no fixed group can fit them all; started as root, torc looks whose
// socket it is and becomes the user `node` before any of its own code runs, with that group as its effective one and no
// supplementary groups: those nobody but root can give up again, and workers would inherit them. The exec makes the group
// the saved one too, so that the primary can leave it while it forks a worker and take it up again
// (src/core/own-group.ts). An image started with another user stays that user.

import { statSync } from 'node:fs';
import { extname, join } from 'node:path';

const USER = 'node';

function socketGroup(): number | null {
  const path = (process.env.DOCKER_HOST || 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '');
  return statSync(path, { throwIfNoEntry: false })?.gid ?? null;
}

const main = join(import.meta.dirname, '..', 'src', `main${extname(import.meta.filename)}`);

if (process.getuid?.() === 0) {
  const group = socketGroup();
  process.setgroups?.([]);
  process.setgid?.(USER);
  if (group !== null) process.setegid?.(group);
  process.setuid?.(USER);
  const args = ['--disable-warning=ExperimentalWarning', main, ...process.argv.slice(2)];
  process.execve?.(process.execPath, [process.execPath, ...args], process.env);
}

await import('../src/main.ts');
