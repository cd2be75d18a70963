// TORC_FOLLOW: what it may be, and what it says beside other settings.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseFollow } from '../../src/config/follow.ts';
import { loadConfig } from '../../src/config/load.ts';

const test = suite('follow settings');

function faults(env: Record<string, string>): readonly string[] {
  const loaded = loadConfig(env, []);
  return loaded.kind === 'faults' ? loaded.faults : [];
}

test('a service of Compose is two labels and numbered slots', () => {
  assert.equal(parseFollow('compose:my-shop/web.1'), {
    text: 'compose:my-shop/web.1',
    labels: { 'com.docker.compose.project': 'my-shop', 'com.docker.compose.service': 'web.1' },
    numbered: true,
  });
});

test('labels, all of which a container must have', () => {
  const { labels, numbered } = parseFollow('label:app=web, tier=a=b')!;
  assert.equal([labels, numbered], [{ app: 'web', tier: 'a=b' }, false]);
});

test('anything else is a fault that says what is allowed', () => {
  for (const text of [
    'web',
    'compose:web',
    'compose:/web',
    'compose:Shop/web',
    'label:',
    'label:app',
    'label:app=',
    'label:a=b,,',
    'k8s:x',
  ])
    assert.is(parseFollow(text), null, text);
  assert.equal(faults({ TORC_FOLLOW: 'web' }), [
    'TORC_FOLLOW: "web" names no containers; allowed: compose:PROJECT/SERVICE, or label:KEY=VALUE[,KEY=VALUE...]',
  ]);
});

test('it names the driver; what another driver reads beside it is a fault', () => {
  const loaded = loadConfig({ TORC_FOLLOW: 'compose:shop/web' }, []);
  assert.is(loaded.kind === 'config' && loaded.config.driver, 'follow');
  assert.match(
    faults({ TORC_DRIVER: 'follow' })[0]!,
    /^TORC_FOLLOW: is not set, and TORC_DRIVER=follow needs it/,
  );
  const beside = {
    TORC_UPSTREAMS: 'a:1',
    TORC_DRIVER: 'docker',
    TORC_MAX: '5',
    TORC_SPARES: '1',
    TORC_IMAGE: 'x',
  };
  for (const [name, value] of Object.entries(beside)) {
    const said = faults({ TORC_FOLLOW: 'compose:shop/web', [name]: value }).join('\n');
    assert.match(said, name === 'TORC_DRIVER' ? /TORC_FOLLOW: is read by/ : name, said);
  }
});

test.run();
