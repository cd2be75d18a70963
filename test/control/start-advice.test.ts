// What is said of a start that does not answer, as a table.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ProbeResult, Question } from '../../src/control/driver.ts';
import { adviceFor } from '../../src/control/start-advice.ts';

const test = suite('start advice');

const HTTP: Question = { mode: 'http', method: 'GET', path: '/', host: null, port: null, statuses: [] };
const refused: ProbeResult = { alive: false, got: 'refused', status: 0, detail: 'connection refused' };
const closed: ProbeResult = { ...refused, got: 'nothing', detail: 'connection closed without an answer' };
const silent: ProbeResult = { ...closed, detail: 'no answer within 500 ms' };
const away: ProbeResult = { ...closed, detail: 'host unreachable' };
const other: ProbeResult = { ...closed, got: 'answer', detail: 'not an HTTP answer (HPE_INVALID_CONSTANT)' };
const answered = (status: number): ProbeResult => ({ ...other, status, detail: `${status} in 1 ms` });

/** "0.0.0.0:80 127.0.0.1:81"; "80" is what an image exposes. */
const sockets = (text: string) =>
  text
    .split(' ')
    .filter(each => each !== '')
    .map(each => {
      const at = each.lastIndexOf(':');
      return { host: at === -1 ? '' : each.slice(0, at), port: Number(each.slice(at + 1)) };
    });

/** driver, what came back, where it listens (null: nobody knows) -> the advice; "..." in front where it only has to wait. */
const table: [string, ProbeResult, string | null, string][] = [
  [
    'docker',
    refused,
    null,
    'it listens on 127.0.0.1 only (inside), or on another port than 5000: TORC_REPLICA_PORT',
  ],
  [
    'docker',
    refused,
    '127.0.0.1:5000',
    'it listens on 127.0.0.1:5000 only (inside): have it listen on 0.0.0.0',
  ],
  [
    'docker',
    closed,
    '127.0.0.1:5000',
    'it listens on 127.0.0.1:5000 only (inside): have it listen on 0.0.0.0',
  ],
  [
    'docker',
    refused,
    '0.0.0.0:8000',
    'it listens on 0.0.0.0:8000 (inside), not on 5000: TORC_REPLICA_PORT=8000',
  ],
  [
    'docker',
    refused,
    '127.0.0.1:9 :::80',
    'it listens on 127.0.0.1:9, [::]:80 (inside), not on 5000: TORC_REPLICA_PORT=80',
  ],
  ['docker', refused, '80', 'its image exposes 80: TORC_REPLICA_PORT=80'],
  ['docker', refused, '', '...it listens nowhere yet'],
  ['docker', refused, ':::5000', '...it listens on [::]:5000 by now'],
  ['process', refused, '', '...it listens nowhere yet'],
  [
    'process',
    refused,
    '::1:5000',
    'it listens on [::1]:5000 only: have it listen on 127.0.0.1 (HOST in its environment)',
  ],
  [
    'process',
    refused,
    '0.0.0.0:8000',
    'it listens on 0.0.0.0:8000, not on 5000: have it listen on the port that it finds in PORT (5000), each replica has its own',
  ],
  [
    'process',
    refused,
    null,
    'it does not listen on 127.0.0.1 yet, or on another port than 5000, which it finds in PORT',
  ],
  ['static', refused, null, 'nobody listens there: TORC_UPSTREAMS'],
  [
    'docker',
    away,
    null,
    'its address cannot be reached from here: TORC_DOCKER_REACH says how containers are reached',
  ],
  [
    'process',
    silent,
    '0.0.0.0:5000',
    'it accepts connections, but does not answer yet; where it is always slow: TORC_HEARTBEAT_TIMEOUT_MS',
  ],
  [
    'process',
    answered(404),
    null,
    'set TORC_HEARTBEAT_PATH to a page that it has, or TORC_HEARTBEAT_MODE=tcp where it has none',
  ],
  ['process', answered(400), null, 'it may answer only its own host name: TORC_HEARTBEAT_HOST'],
  [
    'process',
    answered(401),
    null,
    'it asks who is there: set TORC_HEARTBEAT_PATH to a page for all, or TORC_HEARTBEAT_STATUS=200-399,401',
  ],
  ['process', answered(405), null, 'TORC_HEARTBEAT_METHOD may be another one'],
  [
    'process',
    answered(426),
    null,
    'it wants another protocol there: TORC_HEARTBEAT_MODE=tcp asks for a connection alone',
  ],
  ['process', answered(418), null, 'where that is a sign of life: TORC_HEARTBEAT_STATUS=200-399,418'],
  ['process', answered(503), null, 'it says itself that it is not well; its own output may say why'],
  [
    'process',
    other,
    null,
    'it speaks something else than HTTP there (TLS, say): TORC_HEARTBEAT_MODE=tcp asks for a connection alone',
  ],
];
for (const [driver, result, where, expected] of table) {
  test(`${driver}: ${result.detail}, listening on ${where}`, () => {
    const isDeclared = where !== null && /^\d+$/.test(where);
    const listening = { port: 5000, sockets: where === null ? null : sockets(where), isDeclared };
    const { text, isWaiting } = adviceFor({ question: HTTP, result, driver, listening });
    assert.is(`${isWaiting ? '...' : ''}${text}`, expected);
  });
}

test('a fault of TLS says itself what to do', () => {
  const listening = { port: 5000, sockets: null, isDeclared: false };
  const result = { ...other, detail: 'its certificate has expired: renew it there', isTlsFault: true };
  assert.is(adviceFor({ question: HTTP, result, driver: 'static', listening }).text, '');
});

test("a container's own health: none, failing, not decided yet", () => {
  const listening = { port: 5000, sockets: null, isDeclared: false };
  const about = (result: ProbeResult): string =>
    adviceFor({ question: { ...HTTP, mode: 'docker' }, result, driver: 'docker', listening }).text;
  assert.match(about(answered(404)), /HEALTHCHECK, or unset TORC_HEARTBEAT_MODE/);
  assert.match(about(other), /its own HEALTHCHECK fails/);
  assert.match(about(silent), /has not decided yet/);
});

test('a port of its own for heartbeats is the one to change', () => {
  const listening = { port: 5000, sockets: sockets('0.0.0.0:5000 0.0.0.0:9000'), isDeclared: false };
  const { text } = adviceFor({
    question: { ...HTTP, port: 9001 },
    result: refused,
    driver: 'docker',
    listening,
  });
  assert.is(text, 'it listens on 0.0.0.0:5000, 0.0.0.0:9000 (inside), not on 9001: TORC_HEARTBEAT_PORT=5000');
});

test.run();
