// The control endpoints: one table of method, path and handler. A request comes from a worker as plain data and gets one
// reply (or, for events, a stream of chunks). Access and payload are checked before a handler runs; what a change means
// is decided by the supervisor. Answers are JSON with 2-space indentation: people count the lines.

import { whatIf } from '../analysis/remap.ts';
import type { Config } from '../config/fields.ts';
import type { Outcome } from '../control/membership.ts';
import { isNotice, type JournalEntry, type Supervisor } from '../control/supervisor.ts';
import type { Clock } from '../core/clock.ts';
import type { AdminChannel, AdminReply, AdminRequest, WorkerRing } from '../core/messages.ts';
import type { Totals } from '../routing/counters.ts';
import { commandRefusal, type Refusal, refusal } from './access.ts';
import { Metrics } from './metrics.ts';
import { readMembership, readRollout } from './payload.ts';
import { explainView, ringView, rolloutView, slotsView } from './views.ts';

/** What the endpoints need of the primary. `collect` has the workers hand in their counters first. */
export interface AdminContext {
  readonly config: Config;
  readonly clock: Clock;
  readonly supervisor: Supervisor;
  readonly totals: Totals;
  readonly driver: string;
  collect(): Promise<boolean>;
  inFlight(slot: string): number;
  rings(): readonly WorkerRing[];
  workerRestarts(): number;
  workersHung(): number;
}

type Handler = (
  admin: Admin,
  request: AdminRequest,
  url: URL,
  channel: AdminChannel,
) => Promise<AdminReply> | AdminReply;

interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: RegExp;
  /** Needs no token: it only reads the public counts. */
  readonly open: boolean;
  readonly handler: Handler;
}

const route = (method: Route['method'], path: RegExp, handler: Handler, open = false): Route => ({
  method,
  path,
  open,
  handler,
});

const routes: readonly Route[] = [
  route('GET', /^\/rep$/, admin => admin.rep(), true),
  route('GET', /^\/requests\/([^/]*)$/, (admin, _request, url) => admin.requests(url), true),
  route('POST', /^\/add$/, (admin, request) => admin.change(request, 'add')),
  route('DELETE', /^\/rm$/, (admin, request) => admin.change(request, 'remove')),
  route('GET', /^\/admin\/slots$/, admin => admin.slots()),
  route('GET', /^\/admin\/explain$/, (admin, _request, url) => admin.explain(url)),
  route('GET', /^\/admin\/whatif$/, (admin, _request, url) => admin.whatIf(url)),
  route('GET', /^\/admin\/ring$/, admin => admin.ring()),
  route('GET', /^\/admin\/events$/, (admin, request, _url, channel) => admin.events(request, channel)),
  route('GET', /^\/admin\/rollout$/, admin => admin.rollout()),
  route('POST', /^\/admin\/rollout$/, (admin, request) => admin.beginRollout(request)),
  route('DELETE', /^\/admin\/rollout$/, admin => admin.stopRollout()),
  route('GET', /^\/admin\/live$/, () => json(200, { status: 'alive' })),
  route('GET', /^\/admin\/ready$/, admin => admin.ready()),
  route('GET', /^\/metrics$/, admin => admin.metrics()),
];

const MAX_EVENT_READERS = 100;
/** A comment line this often keeps proxies and readers from taking a quiet stream for a dead one. */
const EVENT_COMMENT_MS = 15_000;
const MAX_WHATIF_SLOTS = 1000;
/** The largest moves say it; a thousand slots have a million pairs. */
const MAX_WHATIF_PAIRS = 100;

const json = (status: number, value: unknown, headers: Record<string, string> = {}): AdminReply => ({
  status,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  body: `${JSON.stringify(value, null, 2)}\n`,
  more: false,
});
const failure = (status: number, message: string, headers: Record<string, string> = {}): AdminReply =>
  json(status, { message: `<Error> ${message}`, status: 'failure' }, headers);

export class Admin {
  readonly #context: AdminContext;
  readonly #metrics = new Metrics();
  #eventReaders = 0;
  #replacements = 0;

  constructor(context: AdminContext) {
    this.#context = context;
    context.supervisor.subscribe(event => {
      if (isNotice(event)) return;
      if (event.from === 'starting' && event.to === 'ready' && event.generation > 1) this.#replacements++;
    });
  }

  /** Answers one request; never throws, whatever the request says. */
  async handle(request: AdminRequest, channel: AdminChannel): Promise<void> {
    try {
      channel.reply(withoutBodyFor(request.method, await this.#answer(request, channel)));
    } catch (error) {
      channel.reply(failure(500, `the request failed: ${(error as Error).message}`));
    }
  }

  async #answer(request: AdminRequest, channel: AdminChannel): Promise<AdminReply> {
    const url = parseTarget(request.target);
    if (url === null) return failure(400, 'the target is no valid path');
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const matching = routes.filter(candidate => candidate.path.test(url.pathname));
    const found = matching.find(candidate => candidate.method === method);
    const refused = refusal(this.#context.config, request, found?.open ?? false);
    if (refused) return refusedReply(refused);
    if (found) return found.handler(this, request, url, channel);
    if (matching.length > 0) {
      const allowed = matching.map(each => each.method).join(', ');
      return failure(405, `${url.pathname} takes ${allowed}`, { allow: allowed });
    }
    return failure(404, `no such endpoint; there are ${endpointNames()}`);
  }

  rep(): AdminReply {
    const names = this.#context.supervisor.names();
    return json(200, { message: { N: names.length, replicas: names }, status: 'successful' });
  }

  async requests(url: URL): Promise<AdminReply> {
    const { supervisor, totals } = this.#context;
    const slot = safeDecode(url.pathname.slice('/requests/'.length));
    if (!supervisor.names().includes(slot))
      return json(404, { message: 'Server ID not found', status: 'failure' });
    if (!(await this.#context.collect()))
      return failure(503, 'a worker did not hand in its counts in time; ask again');
    const sums = totals.slots.get(slot);
    return json(200, {
      requests: (sums?.keys ?? []).map(numberWhereExact),
      count: sums?.requests ?? 0,
      status: 'successful',
    });
  }

  async change(request: AdminRequest, what: 'add' | 'remove'): Promise<AdminReply> {
    const wanted = readMembership(request.body);
    if (typeof wanted === 'string') return failure(400, wanted);
    const outcome: Outcome = await this.#context.supervisor[what](wanted);
    if (!outcome.ok) return failure(outcome.status, outcome.message);
    // The next request may come over another worker: all have the new snapshot once they have answered.
    await this.#context.collect();
    return this.rep();
  }

  async slots(): Promise<AdminReply> {
    await this.#context.collect();
    const { supervisor, totals, driver } = this.#context;
    const view = slotsView(supervisor.slots(), supervisor.spares(), totals, slot =>
      this.#context.inFlight(slot),
    );
    return json(200, { driver, ...view });
  }

  explain(url: URL): AdminReply {
    const key = url.searchParams.get('key');
    if (key === null || key.length > 8192)
      return failure(400, 'say which key: /admin/explain?key=K (at most 8192 characters)');
    const { supervisor } = this.#context;
    return json(200, explainView(supervisor.snapshot(), supervisor.slots(), key));
  }

  async whatIf(url: URL): Promise<AdminReply> {
    const { supervisor, config } = this.#context;
    const text = url.searchParams.get('n') ?? '';
    const wanted = /^\d{1,4}$/.test(text) ? Number(text) : 0;
    if (wanted < 1 || wanted > MAX_WHATIF_SLOTS) {
      return failure(
        400,
        `say how many slots: /admin/whatif?n=N, N a whole number, 1 to ${MAX_WHATIF_SLOTS}`,
      );
    }
    const slots = supervisor.slots().map(({ id, name }) => ({ id, name }));
    const result = await whatIf(slots, wanted, config.ring, config.ringRows);
    if (typeof result === 'string') return failure(400, result);
    return json(200, {
      slotsNow: slots.length,
      slotsThen: wanted,
      ...result,
      pairs: result.pairs.slice(0, MAX_WHATIF_PAIRS),
    });
  }

  ring(): AdminReply {
    const { supervisor } = this.#context;
    return json(200, ringView(supervisor.snapshot(), supervisor.slots(), this.#context.rings()));
  }

  rollout(): AdminReply {
    return json(200, rolloutView(this.#context.supervisor.rolloutView()));
  }

  async beginRollout(request: AdminRequest): Promise<AdminReply> {
    const { supervisor, config, driver } = this.#context;
    if (driver === 'process') {
      const refused = commandRefusal(config, request);
      if (refused) return refusedReply(refused);
    }
    const wanted = readRollout(request.body, driver);
    if ('fault' in wanted) return failure(400, wanted.fault);
    const outcome = await supervisor.rollout(wanted.version);
    if (!outcome.ok) return failure(outcome.status, outcome.message);
    await this.#context.collect();
    return this.rollout();
  }

  stopRollout(): AdminReply {
    const outcome = this.#context.supervisor.stopRollout('somebody asked for it (DELETE /admin/rollout)');
    return outcome.ok ? this.rollout() : failure(outcome.status, outcome.message);
  }

  ready(): AdminReply {
    const states = this.#context.supervisor.slots().map(slot => slot.state);
    const ready = states.filter(state => state === 'ready').length;
    return json(ready > 0 ? 200 : 503, {
      status: ready > 0 ? 'ready' : 'not ready',
      ready,
      slots: states.length,
    });
  }

  async metrics(): Promise<AdminReply> {
    await this.#context.collect();
    const { supervisor, totals } = this.#context;
    const body = await this.#metrics.render({
      totals,
      slots: supervisor.slots(),
      epoch: supervisor.snapshot().epoch,
      workerRestarts: this.#context.workerRestarts(),
      workersHung: this.#context.workersHung(),
      replacements: this.#replacements,
      inFlight: slot => this.#context.inFlight(slot),
    });
    return { status: 200, headers: { 'content-type': this.#metrics.contentType }, body, more: false };
  }

  /** Server-sent events: what happened since `Last-Event-ID` (or all that is remembered), then each change. */
  events(request: AdminRequest, channel: AdminChannel): AdminReply {
    const { supervisor, clock } = this.#context;
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' };
    if (request.method === 'HEAD') return { status: 200, headers, body: '', more: false };
    if (this.#eventReaders >= MAX_EVENT_READERS)
      return failure(503, `${MAX_EVENT_READERS} readers of events are enough`);
    this.#eventReaders++;
    const since = Number(request.lastEventId) || 0;
    const past = supervisor.events().filter(event => event.seq > since);
    const unsubscribe = supervisor.subscribe(event => channel.chunk(eventText(event), false));
    let timer = clock.after(EVENT_COMMENT_MS, comment);
    function comment(): void {
      channel.chunk(': still here\n\n', false);
      timer = clock.after(EVENT_COMMENT_MS, comment);
    }
    channel.onCancel = () => {
      channel.onCancel = null;
      this.#eventReaders--;
      unsubscribe();
      timer.cancel();
    };
    return { status: 200, headers, body: `: torc events\n\n${past.map(eventText).join('')}`, more: true };
  }
}

const refusedReply = ({ status, message }: Refusal): AdminReply =>
  failure(status, message, status === 401 ? { 'www-authenticate': 'Bearer realm="torc"' } : undefined);

const eventText = (event: JournalEntry): string =>
  `id: ${event.seq}\nevent: ${isNotice(event) ? event.topic : event.to}\ndata: ${JSON.stringify(event)}\n\n`;

/** Node leaves a HEAD reply's body out by itself; a stream must not begin for it. */
const withoutBodyFor = (method: string, reply: AdminReply): AdminReply =>
  method === 'HEAD' ? { ...reply, more: false } : reply;

/** Path and query of an origin-form or absolute-form target (RFC 9112 section 3.2). */
function parseTarget(target: string): URL | null {
  return target.startsWith('/') ? URL.parse(`http://torc${target}`) : URL.parse(target);
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Ids are numbers where nothing is lost by it: "7" is 7, "007" stays "007". */
function numberWhereExact(key: string): string | number {
  const value = Number(key);
  return Number.isSafeInteger(value) && String(value) === key ? value : key;
}

const endpointNames = (): string =>
  routes
    .map(({ path }) =>
      path.source
        .replaceAll('\\/', '/')
        .replace(/^\^|\$$/g, '')
        .replace(/\(.*\)/, 'ID'),
    )
    .join(', ');
