// HTTPS as an operator meets it: starts that are refused, a client that resumes at whichever worker it comes to, certificates
// that are replaced under load, the plain port that sends people on, and where the keys are not.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Authority, type Issued } from '../support/certificates.ts';
import { ask, fieldOf, get, securePorts } from '../support/raw.ts';
import { freePort, spawnTorc, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const https = suite('HTTPS');
const directory = mkdtempSync(join(tmpdir(), 'https-'));
const authority = new Authority(directory);
const at = (name: string): string => join(directory, name);
https.after(() => rmSync(directory, { recursive: true, force: true }));

/** The key first: looked at in between, the two do not fit, and what was stays. */
function put(name: string, { cert, key }: Issued, more = authority.cert): void {
  writeFileSync(at(`${name}.key`), key);
  writeFileSync(at(`${name}.pem`), cert + more);
}

const settingsFor = (name: string, port: number): Record<string, string> => ({
  TORC_HTTPS_PORT: String(port),
  TORC_TLS_CERT: at(`${name}.pem`),
  TORC_TLS_KEY: at(`${name}.key`),
  TORC_REPLICAS: '1',
});

async function withTorc(
  settings: Record<string, string>,
  body: (torc: Torc, port: number) => Promise<void>,
): Promise<void> {
  const port = await freePort();
  const torc = await startTorc({ ...settings, TORC_HTTPS_PORT: String(port) });
  securePorts.set(port, authority.cert);
  try {
    await body(torc, port);
  } finally {
    securePorts.delete(port);
    await torc.close();
  }
}

https('what cannot serve: exit not 0, a line for each file, nothing started', async () => {
  const other = authority.issue(['DNS:other.test']);
  put('pair', authority.issue(['IP:127.0.0.1']));
  put('alone', authority.issue(['IP:127.0.0.1']), '');
  writeFileSync(at('other.key'), other.key);
  const torc = await spawnTorc({
    ...settingsFor('pair', await freePort()),
    TORC_TLS_CERT: ['pair.pem', 'alone.pem', 'gone.pem'].map(at).join(),
    TORC_TLS_KEY: ['other.key', 'alone.key', 'alone.key'].map(at).join(),
  });
  assert.is(await torc.exited(), 1);
  assert.is(
    torc.errors().trim(),
    `torc: ${at('gone.pem')} cannot be read (ENOENT): name a file that is there`,
  );
  const second = await spawnTorc({
    ...settingsFor('pair', await freePort()),
    TORC_TLS_CERT: ['pair.pem', 'alone.pem'].map(at).join(),
    TORC_TLS_KEY: ['other.key', 'alone.key'].map(at).join(),
  });
  assert.is(await second.exited(), 1);
  const lines = second.errors().trim().split('\n');
  assert.is(lines.length, 2, second.errors());
  assert.match(lines[0]!, `torc: ${at('other.key')} is not the key of ${at('pair.pem')}`);
  assert.match(lines[1]!, `torc: ${at('alone.pem')} lacks a certificate`);
});

https('settings that make no HTTPS together are faults', async () => {
  for (const [settings, fault] of [
    [{ TORC_TLS_CERT: 'x' }, /^TORC_TLS_CERT: is read by HTTPS only; allowed: TORC_HTTPS_PORT/m],
    [{ TORC_HTTPS_PORT: '5443' }, /^TORC_TLS_CERT: is empty.*TORC_TLS=self-signed/m],
    [
      { TORC_HTTPS_PORT: '5443', TORC_TLS_CERT: 'a,b', TORC_TLS_KEY: 'a' },
      /^TORC_TLS_KEY: has 1 files, and TORC_TLS_CERT 2/m,
    ],
    [
      { TORC_HTTPS_PORT: '5443', TORC_TLS: 'self-signed', TORC_TLS_CERT: 'a', TORC_TLS_KEY: 'a' },
      /^TORC_TLS: self-signed needs no files/m,
    ],
    [
      { TORC_HTTPS_PORT: '5443', TORC_TLS: 'self-signed', TORC_TLS_CLIENT: 'ask' },
      /^TORC_TLS_CLIENT: no authority is named/m,
    ],
    [{ PORT: '5443', TORC_HTTPS_PORT: '5443', TORC_TLS: 'self-signed' }, /^TORC_HTTPS_PORT: is PORT too/m],
    [{ TORC_HTTPS_REDIRECT: 'yes' }, /^TORC_HTTPS_REDIRECT: .*allowed: true, false, a port/m],
  ] as const) {
    const torc = await spawnTorc(settings);
    assert.is(await torc.exited(), 2);
    assert.match(torc.errors(), fault);
  }
});

/** What openssl's client says when it brings the session of `ticket`, or keeps one there. */
async function sClient(port: number, args: readonly string[]): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], { stdio: 'pipe' });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stdin.on('error', () => {});
  const closed = once(child, 'close');
  child.stdin.write(get('/home', ['Connection: close']));
  await waitFor(() => said.includes('Hello from Server') || child.exitCode !== null, {
    timeoutMs: 30_000,
    what: 'an answer through openssl',
  });
  child.stdin.end();
  await closed;
  return said;
}

const workerOf = (said: string): string => /^x-request-id: (\d+)-/im.exec(said)?.[1] ?? '';

https(
  'a client that resumes does so at every worker; not with keys that are three rotations old',
  async () => {
    put('resume', authority.issue(['IP:127.0.0.1']));
    await withTorc(
      { ...settingsFor('resume', 0), TORC_WORKERS: '2', TORC_TLS_TICKET_ROTATION_MS: '600000' },
      async (_torc, port) => {
        for (const version of ['-tls1_2', '-tls1_3']) {
          const ticket = at(`ticket${version}`);
          const made = await sClient(port, [version, '-sess_out', ticket]);
          assert.match(made, /^New, /m);
          const workers = new Set([workerOf(made)]);
          // 20 tries; then until both workers were met, which after 20 they nearly always are.
          for (let index = 0; index < 20 || (workers.size < 2 && index < 200); index++) {
            const said = await sClient(port, [version, '-sess_in', ticket]);
            assert.match(said, /^Reused, /m, `${version}, try ${index}, worker ${workerOf(said)}`);
            workers.add(workerOf(said));
          }
          assert.is(workers.size, 2, 'both workers were met');
        }
      },
    );
  },
);

https(
  'ticket keys rotate: a client still resumes with one of the last two, and one day no more',
  async () => {
    put('rotate', authority.issue(['IP:127.0.0.1']));
    await withTorc(
      { ...settingsFor('rotate', 0), TORC_WORKERS: '2', TORC_TLS_TICKET_ROTATION_MS: '1500' },
      async (_torc, port) => {
        const ticket = at('ticket');
        await sClient(port, ['-tls1_2', '-sess_out', ticket]);
        await waitFor(async () => /^New, /m.test(await sClient(port, ['-tls1_2', '-sess_in', ticket])), {
          timeoutMs: 60_000,
          what: 'the old ticket to be void',
        });
      },
    );
  },
);

https(
  'a torc that takes over has the certificate that was made for trying, and resumes what was begun before it',
  async () => {
    await withTorc({ TORC_TLS: 'self-signed', TORC_REPLICAS: '1', TORC_WORKERS: '1' }, async (torc, port) => {
      const certificate = async (): Promise<string> => {
        const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
        await once(socket, 'secureConnect');
        const { fingerprint256 } = socket.getPeerX509Certificate()!;
        socket.destroy();
        return fingerprint256;
      };
      const before = await certificate();
      const tickets = ['-tls1_2', '-tls1_3'].map(version => [version, at(`replaced${version}`)] as const);
      for (const [version, ticket] of tickets)
        assert.match(await sClient(port, [version, '-sess_out', ticket]), /^New, /m);
      for (let count = 0; count < 2; count++) {
        const replaced = await torc.send('POST', '/admin/replace', '', { connection: 'close' });
        assert.is(replaced.status, 200, replaced.text);
        for (const [version, ticket] of tickets)
          assert.match(await sClient(port, [version, '-sess_in', ticket]), /^Reused, /m);
      }
      assert.is(await certificate(), before);
    });
  },
);

https(
  'certificates that are replaced under load: no request fails, the new one is served, a bad one is told',
  async () => {
    put('live', authority.issue(['IP:127.0.0.1'], 1, { subject: '/CN=before' }));
    await withTorc({ ...settingsFor('live', 0), TORC_WORKERS: '2' }, async (torc, port) => {
      const failures: string[] = [];
      let answers = 0;
      let isOver = false;
      const one = (agent: Agent): Promise<void> =>
        new Promise(resolve => {
          const failed = (error: Error): void => {
            failures.push(error.message);
            resolve();
          };
          const sent = request(
            { port, host: '127.0.0.1', path: '/home', agent, ca: authority.cert },
            answer => {
              if (answer.statusCode !== 200) failures.push(String(answer.statusCode));
              answer.on('error', failed).on('end', () => {
                answers++;
                resolve();
              });
              answer.resume();
            },
          );
          sent.on('error', failed).end();
        });
      const kept = new Agent({ keepAlive: true, maxSockets: 8 });
      const lane = async (agent: () => Agent): Promise<void> => {
        while (!isOver) await one(agent());
      };
      const lanes = [
        ...Array.from({ length: 8 }, () => lane(() => kept)),
        // Each a whole handshake.
        ...Array.from({ length: 2 }, () => lane(() => new Agent({ maxCachedSessions: 0 }))),
      ];
      const titleNow = async (): Promise<string> => {
        const socket = connect({ port, host: '127.0.0.1', ca: authority.cert });
        await once(socket, 'secureConnect');
        const title = socket.getPeerX509Certificate()?.subject ?? '';
        socket.destroy();
        return title;
      };
      const isTold = (text: string): boolean => torc.output().includes(text);
      assert.is(await titleNow(), 'CN=before');
      const pair = authority.issue(['IP:127.0.0.1'], 1, { subject: '/CN=after' });
      writeFileSync(at('live.pem'), pair.cert + authority.cert);
      await waitFor(() => isTold('is not the key of'), {
        timeoutMs: 40_000,
        what: 'the pair that does not fit to be told',
      });
      assert.is(await titleNow(), 'CN=before');
      writeFileSync(at('live.key'), pair.key);
      for (let index = 0; index < 4; index++)
        await waitFor(async () => (await titleNow()) === 'CN=after', {
          timeoutMs: 40_000,
          what: 'the new certificate',
        });
      const before = answers;
      await waitFor(() => answers > before + 50, { timeoutMs: 30_000, what: 'answers behind it' });
      isOver = true;
      await Promise.all(lanes);
      kept.destroy();
      assert.equal(failures, []);
      const metrics = (await torc.get('/metrics')).text;
      const seconds = Number(
        /torc_tls_certificate_expiry_seconds\{file="[^"]*live\.pem",name="after"\} (\d+)/.exec(metrics)?.[1],
      );
      assert.ok(seconds > 80_000 && seconds <= 86_400, metrics.match(/torc_tls.*/g)?.join('\n'));
      assert.match(metrics, /torc_tls_handshakes_total\{result="full"\} [1-9]/);
      assert.ok(isTold('expires in 0 days'), 'the end that is near is told');
    });
  },
);

https('TORC_HTTPS_REDIRECT: 308 to the same target; control requests and HTTPS are served', async () => {
  put('redirect', authority.issue(['IP:127.0.0.1']));
  const settings = { ...settingsFor('redirect', 0), TORC_HTTPS_REDIRECT: 'true', TORC_ACCESS_LOG: 'true' };
  await withTorc(settings, async (torc, port) => {
    const to = async (text: string): Promise<string | undefined> => {
      const answer = await ask(torc.port, text);
      assert.is(answer.status, 308);
      assert.is(answer.body, '');
      return fieldOf(answer, 'location');
    };
    assert.is(await to(get('/a/b?c=%20d')), `https://torc.test:${port}/a/b?c=%20d`);
    assert.is(
      await to('POST /x HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\n\r\nabc'),
      `https://[::1]:${port}/x`,
    );
    assert.is(
      await to('GET http://other.test:81/y HTTP/1.1\r\nHost: a\r\n\r\n'),
      `https://other.test:${port}/y`,
    );
    assert.is(await to('OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n'), `https://a.test:${port}/`);
    assert.is((await ask(torc.port, 'GET / HTTP/1.0\r\n\r\n')).status, 400, 'nobody knows where to');
    assert.is((await ask(torc.port, 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n')).status, 400);
    assert.is((await torc.get('/rep')).status, 200);
    assert.is((await ask(port, get('/home'))).status, 200);
    await waitFor(() => torc.lines().some(({ status, target }) => status === 308 && target === '/x'), {
      timeoutMs: 10_000,
      what: 'the access log to have it',
    });
  });
});

https('TORC_HTTPS_REDIRECT=443: the port that clients come in by, which needs not be said', async () => {
  put('redirect', authority.issue(['IP:127.0.0.1']));
  await withTorc({ ...settingsFor('redirect', 0), TORC_HTTPS_REDIRECT: '443' }, async torc => {
    const answer = await ask(torc.port, get('/a'));
    assert.is(fieldOf(answer, 'location'), 'https://torc.test/a');
  });
});

https('TORC_TLS=self-signed: serves at once, says what it is, and what its fingerprint is', async () => {
  await withTorc({ TORC_TLS: 'self-signed', TORC_REPLICAS: '1' }, async (torc, port) => {
    assert.match(torc.output(), `and https://127.0.0.1:${port}`);
    const told = /self-signed certificate, made at this start, for trying; its SHA-256 is ([0-9A-F:]+)/.exec(
      torc.output(),
    );
    const socket = connect({ port, host: 'localhost', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const certificate = socket.getPeerX509Certificate()!;
    socket.destroy();
    assert.is(certificate.fingerprint256, told?.[1]);
    securePorts.set(port, certificate.toString());
    assert.is((await ask(port, get('/home'))).status, 200, 'who trusts it is served');
  });
});

https('a private key is in no environment and in no argument of any process', async () => {
  const issued = authority.issue(['IP:127.0.0.1']);
  put('secret', issued);
  await withTorc(settingsFor('secret', 0), async torc => {
    const words = issued.key.split('\n').filter(line => line.length > 40);
    assert.ok(words.length > 0);
    const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name));
    let seen = 0;
    for (const pid of pids)
      for (const what of ['environ', 'cmdline']) {
        let text = '';
        try {
          text = readFileSync(`/proc/${pid}/${what}`, 'latin1');
        } catch {
          continue; // it has ended meanwhile
        }
        if (text.includes(`PORT=${torc.port}`) || text.includes(`"port":${torc.port}`)) seen++;
        for (const word of words) assert.not.match(text, word);
      }
    assert.ok(seen >= 2, 'the primary and a worker were among them');
  });
});

https.run();
