// The end of a container, whoever asks for it: by force, with its anonymous volumes. It succeeds when the container is gone,
// because somebody else may have been faster, and a removal that is under way already (409) is waited for.

import { type Engine, START_TIMEOUT_MS } from './engine.ts';

const NOT_FOUND = 404;
const CONFLICT = 409;

export async function removeContainer(engine: Engine, idOrName: string): Promise<void> {
  const what = `cannot remove container ${idOrName.slice(0, 12)}`;
  const removed = await engine.askUnless(
    [NOT_FOUND, CONFLICT],
    what,
    docker => docker.getContainer(idOrName).remove({ force: true, v: true }),
    START_TIMEOUT_MS,
  );
  if (removed) return;
  await engine.askUnless([NOT_FOUND], what, docker =>
    docker.getContainer(idOrName).wait({ condition: 'removed' }),
  );
}
