// The engine behind TLS with client certificates, as `dockerd --tlsverify` has it: torc starts, balances, heals and ends
// through it, and what is wrong with the certificates is said in one line.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import * as assert from 'uvu/assert';
import { engineAddress } from '../../src/drivers/docker/address.ts';
import { makeCertificates } from '../support/certificates.ts';
import { containersOf, docker, engineSuite, networkExists, networkName } from '../support/engine.ts';
import { spawnTorc, startTorc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const network = networkName();
const directory = mkdtempSync(join(tmpdir(), 'torctest-'));
const ours = join(directory, 'ours');
const others = join(directory, 'others');

engineSuite('engine over TLS', network, test => {
  let settings: Record<string, string>;
  let server: ReturnType<typeof createServer>;
  let served = 0;

  test.before(async () => {
    makeCertificates(ours);
    makeCertificates(others);
    const file = (name: string): Buffer => readFileSync(join(ours, name));
    const options = { ca: file('ca.pem'), cert: file('server-cert.pem'), key: file('server-key.pem') };
    server = createServer({ ...options, requestCert: true, rejectUnauthorized: true }, client => {
      served++;
      const engine = connect(engineAddress().options.socketPath!);
      client.pipe(engine).pipe(client);
      client.on('error', () => engine.destroy());
      engine.on('error', () => client.destroy());
    });
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    settings = {
      TORC_DRIVER: 'docker',
      TORC_NETWORK: network,
      TORC_WORKERS: '1',
      TORC_REPLICAS: '1',
      DOCKER_HOST: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
      DOCKER_TLS_VERIFY: '1',
      DOCKER_CERT_PATH: ours,
    };
  });
  test.after(() => {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('starts, hears of a death by an event, heals, and takes all away', async () => {
    const torc = await startTorc(settings);
    try {
      assert.is((await torc.get('/home')).status, 200);
      assert.ok(served > 0, 'through the TLS port');
      const [replica = ''] = await containersOf(network);
      await docker.getContainer(replica).kill();
      await waitFor(
        async () => {
          const ids = await containersOf(network);
          return ids.length === 1 && ids[0] !== replica && (await torc.get('/home')).status === 200;
        },
        { timeoutMs: 30_000, what: 'another container' },
      );
      assert.match(torc.output(), /docker (kill|die)/);
    } finally {
      await torc.close();
    }
    assert.equal(await containersOf(network), []);
    assert.is(await networkExists(network), false);
  });

  const faultWith = async (changed: Record<string, string>): Promise<string> => {
    const torc = await spawnTorc({ ...settings, ...changed });
    assert.is(await torc.exited(), 1, torc.output());
    assert.is(torc.errors().trim().split('\n').length, 1, torc.errors());
    return torc.errors();
  };

  test('certificates of another authority: said', async () => {
    assert.match(await faultWith({ DOCKER_CERT_PATH: others }), /TLS: .*DOCKER_CERT_PATH/);
  });
  test('plain where TLS is wanted: said', async () => {
    const fault = await faultWith({ DOCKER_TLS_VERIFY: '', DOCKER_CERT_PATH: '', DOCKER_CONFIG: directory });
    assert.match(fault, /closed the connection.*DOCKER_TLS_VERIFY=1/);
  });
  test('over ssh: said', async () => {
    assert.match(await faultWith({ DOCKER_HOST: 'ssh://me@host' }), /torc does not reach an engine over ssh/);
  });
});
