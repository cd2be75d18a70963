// Autoscaling for real: requests that take their time pile up, replicas join, and leave when it is over.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const ANSWER_MS = 200;
/** Answers heartbeats at once and everything else after a while. */
const program = `
  const answer = (ask, reply) => setTimeout(() => reply.end('ok'), ask.url === '/heartbeat' ? 0 : ${ANSWER_MS});
  require('node:http').createServer(answer).listen(process.env.PORT, process.env.HOST);
`.replaceAll(/\s+/g, ' ');

const scaling = suite('autoscaling');

const countOf = async (torc: Torc): Promise<number> => JSON.parse((await torc.get('/rep')).text).message.N;

scaling('follows the load up to TORC_MAX and back down to TORC_MIN, and loses no request', async () => {
  const torc = await startTorc({
    TORC_WORKERS: '2',
    TORC_REPLICAS: '1',
    TORC_MAX: '3',
    TORC_SCALE_TARGET: '5',
    TORC_SCALE_PERIOD_MS: '600',
    TORC_SCALE_DOWN_WINDOW_MS: '1500',
    TORC_REPLICA_COMMAND: `exec ${process.execPath} -e "${program}"`,
  });
  try {
    let isOver = false;
    const statuses: Record<string, number> = {};
    const lane = async (_: unknown, index: number): Promise<void> => {
      for (let key = index; !isOver; key += 30) {
        const status = await torc.get(`/work?request_id=${key}`).then(({ status }) => `${status}`, String);
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    };
    const lanes = Array.from({ length: 30 }, lane);
    await waitFor(async () => (await countOf(torc)) === 3, { timeoutMs: 30_000, what: '3 replicas' });
    isOver = true;
    await Promise.all(lanes);
    await waitFor(async () => (await countOf(torc)) === 1, { timeoutMs: 30_000, what: '1 replica' });
    assert.equal(Object.keys(statuses), ['200'], JSON.stringify(statuses));
    const said = torc.lines().filter(line => line.topic === 'scale');
    assert.match(
      String(said[0]?.msg),
      /^from 1 to [23] replicas: .* requests in flight, 5 per replica wanted$/,
    );
  } finally {
    await torc.close();
  }
  assert.is(torc.process.exitCode, 0, torc.output());
});

scaling('tunnels are no load: with many of them open and nothing else to do, replicas leave', async () => {
  const accepts = `
    const server = require('node:http').createServer((ask, reply) => reply.end('ok'));
    server.on('upgrade', (ask, socket) => {
      socket.on('error', () => {});
      socket.write(['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: x', '', ''].join('\\r\\n'));
    });
    server.listen(process.env.PORT, process.env.HOST);
  `.replaceAll(/\s+/g, ' ');
  const torc = await startTorc({
    TORC_WORKERS: '1',
    TORC_REPLICAS: '2',
    TORC_MAX: '4',
    TORC_SCALE_TARGET: '2',
    // Time enough to open the tunnels before the first decision.
    TORC_SCALE_PERIOD_MS: '2000',
    TORC_SCALE_DOWN_WINDOW_MS: '0',
    TORC_DRAIN_TIMEOUT_MS: '100',
    TORC_REPLICA_COMMAND: `exec ${process.execPath} -e "${accepts}"`,
  });
  const clients: RawClient[] = [];
  try {
    for (let index = 0; index < 40; index++) {
      const client = await rawClient(torc.port);
      clients.push(client);
      client.send(get(`/?request_id=${index}`, ['Connection: Upgrade', 'Upgrade: x']));
      await client.has('101 Switching');
    }
    await waitFor(() => torc.lines().some(line => line.topic === 'scale'), {
      timeoutMs: 20_000,
      what: 'a decision',
    });
    assert.match(String(torc.lines().find(line => line.topic === 'scale')?.msg), /^from 2 to 1 replicas/);
    assert.ok(clients.some(client => !client.closed));
  } finally {
    for (const client of clients) client.close();
    await torc.close();
  }
});

scaling.run();
