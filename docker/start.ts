// The balancer image's entry: gives up root, then runs torc. The mounted Docker socket belongs to a group whose number
// differs from machine to machine, so no USER line and no fixed group can fit them all; started as root, torc looks whose
// socket it is, takes that one group along and becomes the user `node` before any of its own code runs. Workers start
// here again, without root, and change nothing. An image started with another user stays that user.

import { statSync } from 'node:fs';

const USER = 'node';

function socketGroups(): number[] {
  const path = (process.env.DOCKER_HOST || 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '');
  const socket = statSync(path, { throwIfNoEntry: false });
  return socket === undefined ? [] : [socket.gid];
}

if (process.getuid?.() === 0) {
  process.setgroups?.(socketGroups());
  process.setgid?.(USER);
  process.setuid?.(USER);
}

await import('../src/main.ts');
