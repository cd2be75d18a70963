// Load by autocannon: each connection asks again when it has its answer, so this finds how much a target can do, and its
// latencies are those of a full house. They are taken from its 'response' event, which has the fraction of a millisecond
// that its own histogram drops. Each answer is looked at: which replica gave it, and whether it is one at all.
// What was lost is counted here: autocannon 9 does not count a connection that ends without an answer anywhere, and
// counts a time-out among its errors too. So lost = sent - answered - what its connections had under way at the end.
// A target that closes after each answer is beyond autocannon 9: it has its next request on the wire by then and keeps a
// time for it, and with `reconnectRate: 1` it does not count the answers. For such a one the loop is our own.

import autocannon from 'autocannon';
import { type ClosedJob, KEYS, keyedBody, type LoadResult, POST_BODY, requestText } from './job.ts';
import { Latencies } from './latencies.ts';
import { Line } from './line.ts';

const REPLICAS = 3;
const GREETING = '{"message":"Hello from Server: ';

export function closedLoop(job: ClosedJob): Promise<LoadResult> {
  return job.reconnects ? reconnecting(job) : byAutocannon(job);
}

async function byAutocannon(job: ClosedJob): Promise<LoadResult> {
  const perReplica = Array.from({ length: REPLICAS }, () => 0);
  const latencies = new Latencies();
  let wrong: string | null = null;
  const look = (status: number, body: string): void => {
    if (status !== 200) return;
    const index = body.charCodeAt(GREETING.length) - '1'.charCodeAt(0);
    if (body.startsWith(GREETING) && index >= 0 && index < REPLICAS) perReplica[index]!++;
    else wrong ??= body.slice(0, 80);
  };
  const requests = Array.from({ length: KEYS }, (_, i) => ({
    method: job.method,
    path: `/request?request_id=${i + 1}`,
    ...(job.method === 'POST' ? postOf(job, `key-${i + 1}`) : {}),
    onResponse: look,
  }));
  // Each connection has keys of its own: were all to walk through the same list, they would queue at one replica together.
  const share = Math.floor(KEYS / job.connections);
  let connection = 0;
  const run = autocannon({
    url: [...job.urls],
    connections: job.connections,
    duration: job.seconds,
    sampleInt: 50,
    setupClient: client => {
      const from = connection++ * share;
      client.setRequests(requests.slice(from, from + share));
    },
  });
  const startMs = performance.now();
  let lastMs = startMs;
  let answered = 0;
  run.on('response', (_client: unknown, status: number, _bytes: number, ms: number) => {
    answered++;
    lastMs = performance.now();
    if (status === 200) latencies.record(ms * 1000);
  });
  const { errors, non2xx, requests: all } = await run;
  const lost = Math.max(0, all.sent - answered - job.connections);
  return {
    requests: latencies.count,
    seconds: (lastMs - startMs) / 1000,
    // Its errors are mostly lost requests.
    errors: non2xx + Math.max(0, errors - lost),
    unanswered: lost,
    wrong,
    perReplica,
    latencies: latencies.toText(),
    lateP99Us: 0,
  };
}

function postOf({ keyedBytes }: ClosedJob, key: string): { body: string; headers: Record<string, string> } {
  const headers = { 'content-type': 'application/json' };
  if (keyedBytes === undefined) return { body: POST_BODY, headers };
  return { body: keyedBody(key, keyedBytes), headers: { ...headers, 'x-key': key } };
}

async function reconnecting({ urls, connections, seconds, method }: ClosedJob): Promise<LoadResult> {
  const latencies = new Latencies();
  const askedMs = new Map<Line, number>();
  const body = method === 'POST' ? POST_BODY : '';
  let errors = 0;
  let lost = 0;
  let asked = 0;
  const ask = (line: Line): void => {
    askedMs.set(line, performance.now());
    line.ask(requestText(asked++, body, 'Connection: close\r\n'));
  };
  const lines = Array.from({ length: connections }, (_, i) => {
    return new Line(urls[i % urls.length]!, (line, status) => {
      if (status === 200) latencies.record((performance.now() - askedMs.get(line)!) * 1000);
      else if (status === 0) lost++;
      else errors++;
      ask(line);
    });
  });
  lines.forEach(ask);
  await new Promise(resolve => setTimeout(resolve, seconds * 1000));
  for (const line of lines) line.close();
  return {
    requests: latencies.count,
    seconds,
    errors,
    unanswered: lost,
    wrong: null,
    perReplica: [],
    latencies: latencies.toText(),
    lateP99Us: 0,
  };
}
