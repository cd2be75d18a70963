// Roll-outs on a real engine: images made for the occasion from the bundled one.

import { docker, engineSuite, makeImage, networkName, removeImage } from '../support/engine.ts';
import { rolloutTests } from '../support/rollout.ts';
import { startTorc } from '../support/torc.ts';

const network = networkName();
const scripts = {
  good: 'SERVER_ID=v2-$SERVER_ID exec node replica.ts',
  ends: 'echo no database >&2; exit 1',
  mute: 'exec sleep 600',
};

engineSuite('roll-out of containers', network, test => {
  test.after(async () => {
    for (const tag of Object.keys(scripts)) await removeImage(`${network}:${tag}`);
  });
  rolloutTests(
    test,
    async () => {
      const torc = await startTorc({
        TORC_DRIVER: 'docker',
        TORC_NETWORK: network,
        TORC_WORKERS: '2',
      });
      for (const [tag, script] of Object.entries(scripts))
        await makeImage(network, tag, ['sh', '-c', script]);
      return torc;
    },
    {
      good: { image: `${network}:good` },
      ends: { image: `${network}:ends` },
      mute: { image: `${network}:mute` },
      missing: { image: 'torctest/no-such-image:1' },
    },
    id => docker.getContainer(id).kill(),
  );
});
