// What the reaper's container runs (src/drivers/docker/reaper.ts says why): its errand is its one argument.

import { Engine } from '../src/drivers/docker/engine.ts';
import { type Errand, reap } from '../src/drivers/docker/reaper.ts';

process.on('SIGTERM', () => process.exit(0));
await reap(new Engine(), JSON.parse(process.argv[2] ?? '') as Errand);
process.exit(0);
