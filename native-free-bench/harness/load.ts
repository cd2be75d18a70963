// The load generator's process: one job per message, one result back. It lives through all rounds, so that its own code is
// compiled when it counts.

import { closedLoop } from './closed-loop.ts';
import { handshakes } from './handshakes.ts';
import type { Job } from './job.ts';
import { openLoop } from './open-loop.ts';

process.on('disconnect', () => process.exit());
process.on('message', async (job: Job) => {
  if (job.kind === 'handshakes') process.send?.(await handshakes(job));
  else process.send?.(job.kind === 'open' ? await openLoop(job) : await closedLoop(job));
});
