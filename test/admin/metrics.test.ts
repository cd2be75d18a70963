// /metrics of a real torc: whose fault an error was is in its labels, and what was not measured is absent.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startTorc } from '../support/torc.ts';

const metrics = suite('metrics');

metrics('errors by code, slot and source; recent latencies only where something was served', async () => {
  // Takes requests and answers with what is no HTTP.
  const origin = createServer(socket => {
    socket.on('error', () => {}).on('data', () => socket.end('nonsense\r\n\r\n'));
  });
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  const address = origin.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const torc = await startTorc({
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: `127.0.0.1:${port}`,
    TORC_HEARTBEAT_PATH: '',
    TORC_WORKERS: '1',
  });
  try {
    const before = (await torc.get('/metrics')).text;
    assert.match(before, /^# TYPE torc_errors_total counter$/m);
    assert.not.match(before, /^torc_errors_total\{/m);
    assert.not.match(before, /^torc_request_duration_recent_seconds\{/m);
    assert.is((await torc.send('POST', '/x', 'body')).status, 502);
    assert.is((await torc.send('PROPFIND', '/x?n=1', 'body')).status, 502);
    const after = (await torc.get('/metrics')).text;
    const errors = [...after.matchAll(/^torc_errors_total\{(.*)\} (\d+)$/gm)].map(([, labels, count]) => [
      labels,
      count,
    ]);
    assert.equal(errors, [['code="BAD_RESPONSE",slot="1",source="upstream"', '2']]);
  } finally {
    await torc.close();
    origin.close();
  }
});

metrics.run();
