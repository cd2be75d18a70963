// One round of load, in a process of its own so that it can be pinned: autocannon, closed loop, keep-alive, a different
// request_id each time. Run as: node load.ts URL CONNECTIONS SECONDS; prints counts as JSON. Latencies are not read from
// autocannon here: it floors them to milliseconds.

import autocannon from 'autocannon';

const [url = '', connections = '64', seconds = '3'] = process.argv.slice(2);
const KEYS = 1000;
const requests = Array.from({ length: KEYS }, (_, i) => ({
  method: 'GET' as const,
  path: `/request?request_id=${i + 1}`,
}));
const result = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  requests,
});
const { errors, timeouts, non2xx } = result;
process.stdout.write(`${JSON.stringify({ requests: result.requests.total, errors, timeouts, non2xx })}\n`);
