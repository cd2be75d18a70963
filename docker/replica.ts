// The bundled replica: the assignment's server program, run by the process driver and by docker/replica.Dockerfile, and
// the origin that benchmarks measure against. One file on node:http alone, so that the image needs nothing else.
// It outlives a SIGKILL of torc on purpose: the next torc adopts it. Every answer is a string made at start and goes out
// in one write; any method gets the same answer, for the request is only a key here. Its front page, for whoever opens
// torc in a browser or with curl, says what this is and where to look.

import { createServer, type ServerResponse } from 'node:http';
import { hostname } from 'node:os';

/** Longer than any pool keeps an idle connection, so that the pool closes it and never sends into a closing one. */
const KEEP_ALIVE_MS = 75_000;

const serverId = process.env.SERVER_ID ?? hostname();
const port = Number(process.env.PORT ?? 5000);
const host = process.env.HOST ?? '0.0.0.0';

const greeting = { message: `Hello from Server: ${serverId}`, status: 'Successful' };
const home = JSON.stringify(greeting);
const request = JSON.stringify({ response: greeting, server_id: serverId });
const unknown = JSON.stringify({ message: '<Error> no such endpoint in this replica', status: 'failure' });

/** Where to look, and what is seen there. */
const PLACES: readonly (readonly [path: string, what: string])[] = [
  ['/home', 'the greeting of one replica'],
  [
    '/request?request_id=7',
    'an answer that names its replica: the same one each time, another for another id',
  ],
  ['/rep', 'the replicas'],
  ['/admin/slots', 'each slot: state, container or process, requests'],
  ['/admin/explain?target=/request%3Frequest_id=7', 'why that request goes where it goes'],
  ['/admin/status', 'is all well'],
  ['/metrics', 'the numbers, for Prometheus'],
];
const WHAT = "torc's demo program";
const ANSWERED = `You came through the load balancer torc, and replica ${serverId} answered.`;
const TRY = 'Kill a replica, and see that nothing is lost and which one takes its place.';
const OWN =
  'Your own program in its place: TORC_IMAGE, TORC_REPLICA_COMMAND or TORC_UPSTREAMS (npm start -- --help).';

const text = `${WHAT}\n\n${ANSWERED}\n\n${PLACES.map(([path, what]) => `  ${path.padEnd(46)}${what}\n`).join('')}\n${TRY}\n${OWN}\n`;
const escaped = (words: string): string =>
  words.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`);
const rows = PLACES.map(
  ([path, what]) => `<tr><td><a href="${escaped(path)}">${escaped(path)}</a></td><td>${what}</td></tr>`,
);
const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${WHAT}</title>
<style>
  :root { color-scheme: light dark }
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto; padding: 0 1rem }
  td { padding: .2rem 1rem .2rem 0; vertical-align: top }
</style>
<h1>${WHAT}</h1>
<p>${escaped(ANSWERED)}</p>
<table>
${rows.join('\n')}
</table>
<p>${TRY}</p>
<p>${OWN}</p>
</html>
`;

const headersOf = (body: string, type = 'application/json'): string[] => [
  'content-type',
  type,
  'content-length',
  String(Buffer.byteLength(body)),
];
const homeHeaders = headersOf(home);
const requestHeaders = headersOf(request);
const unknownHeaders = headersOf(unknown);
const textHeaders = headersOf(text, 'text/plain; charset=utf-8');
const pageHeaders = headersOf(page, 'text/html; charset=utf-8');
const emptyHeaders = ['content-length', '0'];

function answer(target: string, accept: string, response: ServerResponse): void {
  const query = target.indexOf('?');
  switch (query === -1 ? target : target.slice(0, query)) {
    case '/request':
      response.writeHead(200, requestHeaders).end(request);
      break;
    case '/heartbeat':
      response.writeHead(200, emptyHeaders).end();
      break;
    case '/home':
      response.writeHead(200, homeHeaders).end(home);
      break;
    case '/':
      if (accept.includes('text/html')) response.writeHead(200, pageHeaders).end(page);
      else response.writeHead(200, textHeaders).end(text);
      break;
    default:
      response.writeHead(404, unknownHeaders).end(unknown);
  }
}

let stopping = false;
const server = createServer((incoming, response) => {
  if (stopping) response.shouldKeepAlive = false;
  answer(incoming.url ?? '/', incoming.headers.accept ?? '', response);
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.on('error', (error: NodeJS.ErrnoException) => {
  process.stderr.write(
    `replica ${serverId} cannot listen on ${host}:${port}: ${error.code ?? error.message}\n`,
  );
  process.exit(1);
});
server.listen(port, host);

/** Requests in flight are finished; the process ends with its last connection. */
function stop(): void {
  stopping = true;
  server.close();
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
