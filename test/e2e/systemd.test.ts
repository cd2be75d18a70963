// docs/systemd as it is, under a real systemd: started by its socket, reloaded, replaced, killed, hung, started again, ended, with
// clients that connect all the while and are never refused.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type FreshLoad, startFresh } from '../support/fresh.ts';
import { Systemd, whyNoSystemd } from '../support/systemd.ts';
import { waitFor } from '../support/wait.ts';

const LONG = { timeoutMs: 90_000 };
const test = suite('systemd');
const whyNot = whyNoSystemd();

const SETTINGS = 'listen: 0.0.0.0:80\ndriver: process\nreplicas: 1\nworkers: 2\nadmin-port: 5001\n';
/** What hangs is found sooner than in half a minute. */
const SOONER = '[Service]\nWatchdogSec=6\n';

if (whyNot !== null) test.skip(whyNot, () => {});
else
  test('started by its socket, reloaded, replaced, killed, hung, started again: nobody is refused', async () => {
    const systemd = new Systemd();
    const write = (path: string, text: string): Promise<unknown> =>
      systemd.run('sh', '-c', `mkdir -p "$(dirname ${path})" && printf '%s' '${text}' >${path}`);
    const well = async (...command: string[]): Promise<string> => {
      const { status, text } = await systemd.run(...command);
      assert.is(status, 0, `${command.join(' ')}: ${text}`);
      return text.trim();
    };
    const show = (name: string): Promise<string> =>
      well('systemctl', 'show', 'torc', '--value', '--property', name);
    const runs = async (): Promise<boolean> =>
      (await show('ActiveState')) === 'active' && (await show('StatusText')) === '1 of 1 replicas are ready';
    const again = (before: string, what: string): Promise<void> =>
      waitFor(async () => (await runs()) && !['0', before].includes(await show('MainPID')), {
        ...LONG,
        what,
      });
    const loads: FreshLoad[] = [];
    const load = (): FreshLoad => {
      const clients = startFresh(80, 2, systemd.withItsNetwork);
      loads.push(clients);
      return clients;
    };
    const replace = ['env', '--chdir=/etc/torc', 'torc', 'replace'];
    try {
      await systemd.booted();
      await write('/etc/torc/torc.yaml', SETTINGS);
      await write('/etc/systemd/system/torc.service.d/sooner.conf', SOONER);
      await well('systemctl', 'daemon-reload');
      await well('systemctl', 'start', 'torc.socket');
      assert.is(await show('ActiveState'), 'inactive');
      const clients = load();
      await clients.flows();
      await waitFor(runs, { ...LONG, what: 'torc to run' });
      assert.match(
        await well('systemd-analyze', 'security', 'torc.service'),
        /exposure level.*: 1\.[0-9] OK/,
      );

      const first = await show('MainPID');
      await write('/etc/torc/torc.yaml', `${SETTINGS}retries: 3\n`);
      await well('systemctl', 'reload', 'torc');
      assert.match(await well('journalctl', '--unit', 'torc', '--output', 'cat'), /TORC_RETRIES 2 -> 3/);
      await write('/etc/torc/torc.yaml', `${SETTINGS}retries: many\n`);
      assert.is.not((await systemd.run('systemctl', 'reload', 'torc')).status, 0);
      await write('/etc/torc/torc.yaml', SETTINGS);
      assert.is(await show('MainPID'), first);

      await well(...replace);
      await again(first, 'the new main process');
      const second = await show('MainPID');
      await well('systemctl', 'restart', 'torc');
      await again(second, 'a restart');
      await clients.flows();
      const lostNothing = await clients.stop();
      assert.equal([lostNothing.refused, lostNothing.lost], [{}, {}]);

      const others = load();
      for (const [signal, what] of [
        ['KILL', 'a start after a death'],
        ['STOP', 'a start after the watchdog'],
      ] as const) {
        // No child of systemd's until the one before it is gone.
        if (signal === 'KILL') {
          const old = await show('MainPID');
          await well(...replace);
          await again(old, 'the new main process');
        }
        const before = await show('MainPID');
        await others.flows();
        await well('kill', `-${signal}`, before);
        await again(before, what);
      }
      await others.flows();
      assert.equal((await others.stop()).refused, {});

      await well('systemctl', 'stop', 'torc.socket', 'torc.service');
      assert.is(await show('Result'), 'success');
      assert.is((await systemd.run('pgrep', '--count', 'node')).text.trim(), '0');
    } catch (error) {
      process.stdout.write((await systemd.run('journalctl', '--lines', '60', '--no-pager')).text);
      throw error;
    } finally {
      await systemd.close();
      await Promise.all(loads.map(each => each.stop()));
    }
  });

test.run();
