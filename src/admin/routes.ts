// The control endpoints: one table of method, path and handler. A request comes from a worker as plain data and gets one
// reply (or, for events, a stream of chunks). Access and payload are checked before a handler runs; what a change means
// is decided by the supervisor. Answers are JSON with 2-space indentation: people count the lines.

import type { Outcome } from '../control/membership.ts';
import { splitTarget } from '../core/control-path.ts';
import type { AdminChannel, AdminReply, AdminRequest } from '../core/messages.ts';
import {
  type AccessRules,
  commandRefusal,
  isRefusal,
  judge,
  mayRead,
  type Need,
  type Refusal,
  rightsOf,
} from './access.ts';
import type { AdminContext } from './context.ts';
import { EventStreams } from './events.ts';
import { explainView, readQuestion } from './explain.ts';
import { hotKeysView, readCount } from './hot-keys.ts';
import type { Metrics } from './metrics.ts';
import { openApi } from './openapi.ts';
import { AdminPage } from './page.ts';
import { readMembership, readRollout, readWeight, slotIn } from './payload.ts';
import { failure, json, withoutBodyFor } from './replies.ts';
import { isOpenFor, keyView, requestsPage } from './requests.ts';
import { keyText, reloaded, replaced, settingsView } from './settings.ts';
import { Stats } from './stats.ts';
import { statusView } from './status.ts';
import { Tally } from './tally.ts';
import { digestOf, ringView, rolloutView, slotsView } from './views.ts';
import { WhatIfs } from './whatif.ts';

/** One request with what its handler may need of it. */
interface Asked {
  readonly request: AdminRequest;
  readonly path: string;
  readonly query: URLSearchParams;
  /** '' where the route takes none. */
  readonly body: string;
  readonly rules: AccessRules;
  readonly who: string;
  readonly channel: AdminChannel;
}

type Handler = (admin: Admin, asked: Asked) => Promise<AdminReply> | AdminReply;

interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: RegExp;
  readonly need: Need;
  readonly handler: Handler;
}

const look = (path: RegExp, handler: Handler, need: Need = 'read'): Route => ({
  method: 'GET',
  path,
  need,
  handler,
});
const change = (method: 'POST' | 'PUT' | 'DELETE', path: RegExp, handler: Handler): Route => ({
  method,
  path,
  need: 'operate',
  handler,
});

/** The empty page is for whoever would be asked for a token. */
const page: Handler = ({ page: files }, { request, path, rules }) =>
  files.answer(request, path, rules.tokens.length > 0);

/** Paths as bytes: core/control-path.ts tells them from a client's by the same bytes. */
const routes: readonly Route[] = [
  look(/^\/rep$/, admin => admin.rep(), 'nothing'),
  look(/^\/requests\/([^/]+)$/, (admin, asked) => admin.requests(asked), 'nothing'),
  change('POST', /^\/add$/, (admin, asked) => admin.change(asked, 'add')),
  change('DELETE', /^\/rm$/, (admin, asked) => admin.change(asked, 'remove')),
  look(/^\/admin$/, page, 'page'),
  look(/^\/admin\/$/, page, 'page'),
  look(/^\/admin\/page\/(.+)$/, page, 'page'),
  look(/^\/admin\/stats$/, ({ stats }, { request, channel, rules }) =>
    stats.answer(request, channel, rightsOf(rules, request)),
  ),
  look(/^\/admin\/slots$/, admin => admin.shared('slots', () => admin.slots())),
  change('POST', /^\/admin\/slots\/([^/]+)\/replace$/, (admin, asked) => admin.replace(asked)),
  change('PUT', /^\/admin\/slots\/([^/]+)\/weight$/, (admin, asked) => admin.weigh(asked)),
  look(/^\/admin\/status$/, admin => admin.shared('status', () => admin.status())),
  look(/^\/admin\/explain$/, (admin, { request }) => admin.explain(request)),
  look(/^\/admin\/whatif$/, ({ whatIfs }, { query }) => whatIfs.answer(query)),
  look(/^\/admin\/ring$/, admin => admin.ring()),
  look(/^\/admin\/hot-keys$/, (admin, { query }) => admin.hotKeys(query)),
  look(/^\/admin\/events$/, ({ events }, { request, query, channel }) =>
    events.answer(request, query, channel),
  ),
  look(/^\/admin\/rollout$/, admin => admin.rollout()),
  change('POST', /^\/admin\/rollout$/, (admin, asked) => admin.beginRollout(asked)),
  change('DELETE', /^\/admin\/rollout$/, admin => admin.stopRollout()),
  look(/^\/admin\/openapi\.json$/, admin => admin.openApi()),
  change('POST', /^\/admin\/reload$/, (admin, { who }) => admin.reload(who)),
  change('POST', /^\/admin\/replace$/, (admin, { who }) => admin.replaced(who)),
  look(/^\/admin\/live$/, () => json(200, { status: 'alive' })),
  look(/^\/admin\/ready$/, admin => admin.ready()),
  look(/^\/metrics$/, admin => admin.shared('metrics', () => admin.metrics())),
];

/** Ids of one /requests page unless it asks for more or fewer. */
const REQUESTS_LIMIT = 1_000;
const MOST_REQUESTS = 10_000;

const lateWorker = failure(503, 'a worker did not hand in its counts in time; ask again');

export class Admin {
  readonly #context: AdminContext;
  /** Made for who asks first: its library is 2 MB, and looks at the event loop from then on. */
  #metrics: Promise<Metrics> | null = null;
  readonly #tally = new Tally();
  readonly whatIfs: WhatIfs;
  #openApi: AdminReply | null = null;
  /** What is being built right now: two readers at once share it. */
  readonly #building = new Map<string, Promise<AdminReply>>();
  readonly events: EventStreams;
  readonly stats: Stats;
  readonly page = new AdminPage();
  readonly replaced = (who: string): Promise<AdminReply> => replaced(this.#context, who);

  constructor(context: AdminContext) {
    this.#context = context;
    this.events = new EventStreams(context.supervisor, context.clock, context.past);
    this.whatIfs = new WhatIfs(context, context.supervisor);
    context.supervisor.subscribe(entry => this.#tally.count(entry));
    this.stats = new Stats(context);
  }

  /** Answers one request; never throws, whatever the request says. `rules` are those of the listener it came through. */
  async handle(request: AdminRequest, channel: AdminChannel, rules: AccessRules): Promise<void> {
    try {
      const reply = await this.#answer(request, channel, rules);
      if (reply !== null) channel.reply(withoutBodyFor(request.method, reply));
    } catch (error) {
      channel.reply(failure(500, `the request failed: ${(error as Error).message}`));
    }
  }

  /** Null where the client is gone before it said everything. */
  async #answer(
    request: AdminRequest,
    channel: AdminChannel,
    rules: AccessRules,
  ): Promise<AdminReply | null> {
    const { path, query } = splitTarget(request.target);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const matching = routes.filter(candidate => candidate.path.test(path));
    const found = matching.find(candidate => candidate.method === method);
    const caller = judge(rules, request, found?.need ?? 'read');
    if (isRefusal(caller)) return this.#refuse(request, caller);
    if (found === undefined) return unknown(path, matching);
    const changes = found.need === 'operate';
    const body = changes && request.hasBody ? await channel.readBody() : '';
    if (body === null) return null;
    const asked = { request, path, query: new URLSearchParams(query), body, rules, who: caller.who, channel };
    const reply = await found.handler(this, asked);
    if (changes) this.#context.audit.changed(request, caller.who, body, reply.status);
    return reply;
  }

  #refuse(request: AdminRequest, refusal: Refusal): AdminReply {
    const { status, message } = refusal;
    this.#context.audit.refused(request, refusal);
    return failure(status, message, status === 401 ? { 'www-authenticate': 'Bearer realm="torc"' } : {});
  }

  shared(what: string, build: () => Promise<AdminReply>): Promise<AdminReply> {
    const current = this.#building.get(what);
    if (current !== undefined) return current;
    const reply = build().finally(() => this.#building.delete(what));
    this.#building.set(what, reply);
    return reply;
  }

  rep(): AdminReply {
    const names = this.#context.supervisor.names();
    return json(200, { message: { N: names.length, replicas: names }, status: 'successful' });
  }

  async requests({ request, path, query, rules }: Asked): Promise<AdminReply> {
    const { supervisor, totals, config, secret } = this.#context;
    const isReader = mayRead(rules, request);
    if (!isReader && !isOpenFor(config.key)) {
      const caller = judge(rules, request, 'read');
      if (isRefusal(caller)) return this.#refuse(request, caller);
    }
    const text = query.get('limit') ?? String(REQUESTS_LIMIT);
    const limit = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
    if (!(limit <= MOST_REQUESTS)) return failure(400, `limit is a whole number, 0 to ${MOST_REQUESTS}`);
    // A page that goes out in pieces holds one of the few places for such: not for just anybody.
    if (!isReader && limit > REQUESTS_LIMIT)
      return failure(403, `more than the latest ${REQUESTS_LIMIT} are for who may ask for /admin/slots`);
    const slot = path.slice('/requests/'.length);
    if (!supervisor.names().includes(slot))
      return json(404, { message: 'Server ID not found', status: 'failure' });
    if (!(await this.#context.collect('keys'))) return lateWorker;
    const sums = totals.slots.get(slot);
    const keys = limit === 0 ? [] : (sums?.keys ?? []).slice(-limit);
    const view = keyView(config.key, isReader, config.showKeys);
    return { ...json(200, null), body: requestsPage(keys, sums?.requests ?? 0, view, secret) };
  }

  async change({ body }: Asked, what: 'add' | 'remove'): Promise<AdminReply> {
    const wanted = readMembership(body);
    if (typeof wanted === 'string') return failure(400, wanted);
    const outcome: Outcome = await this.#context.supervisor[what](wanted);
    if (!outcome.ok) return failure(outcome.status, outcome.message);
    // The next request may come over another worker: all have the new snapshot once they have answered.
    await this.#context.collect();
    return this.rep();
  }

  async replace({ path }: Asked): Promise<AdminReply> {
    const outcome = await this.#context.supervisor.replace(slotIn(path));
    return outcome.ok ? this.slots() : failure(outcome.status, outcome.message);
  }

  async weigh({ path, body }: Asked): Promise<AdminReply> {
    const wanted = readWeight(body);
    if ('fault' in wanted) return failure(400, wanted.fault);
    const outcome = await this.#context.supervisor.setWeight(slotIn(path), wanted.weight);
    return outcome.ok ? this.slots() : failure(outcome.status, outcome.message);
  }

  async slots(): Promise<AdminReply> {
    await this.#context.collect();
    const { supervisor, totals, driver } = this.#context;
    const view = slotsView(
      supervisor.slots(),
      supervisor.spares(),
      totals,
      slot => this.#context.inFlight(slot),
      (replicaId, windowMs) => this.#context.recent(replicaId, windowMs),
    );
    return json(200, { driver: driver.name, ...view });
  }

  async status(): Promise<AdminReply> {
    // Whoever answers has applied what was published before.
    await this.#context.collect();
    const { supervisor, config, totals, driver, version, startedMs, wantedWorkers } = this.#context;
    const source = {
      version,
      startedMs,
      driver: driver.name,
      program: driver.program ?? null,
      driverState: supervisor.driverState(),
      difference: driver.difference ?? '',
      slots: supervisor.slots(),
      spares: supervisor.spares(),
      wantedSpares: config.spares,
      rollout: supervisor.rolloutView(),
      snapshot: supervisor.snapshot(),
      digest: this.#digest(),
      workers: this.#context.rings(),
      wantedWorkers,
      workerRestarts: this.#context.workerRestarts(),
      totals,
      settings: settingsView(this.#context.settings),
    };
    return json(200, statusView(source));
  }

  explain(request: AdminRequest): AdminReply {
    const { supervisor, config, clock } = this.#context;
    const asked = readQuestion(request.target, config.key);
    if (typeof asked === 'string') return failure(400, asked);
    return json(200, explainView(supervisor.snapshot(), supervisor.slots(), asked, clock.wallMs()));
  }

  ring(): AdminReply {
    const { supervisor } = this.#context;
    const { settings } = this.#context;
    return json(
      200,
      ringView(supervisor.snapshot(), supervisor.slots(), this.#context.rings(), keyText(settings)),
    );
  }

  #digest(): string {
    const { supervisor, settings } = this.#context;
    return digestOf(supervisor.snapshot(), supervisor.slots(), keyText(settings));
  }

  rollout(): AdminReply {
    return json(200, rolloutView(this.#context.supervisor.rolloutView()));
  }

  async beginRollout({ request, body, rules }: Asked): Promise<AdminReply> {
    const { supervisor, driver } = this.#context;
    if (driver.name === 'process') {
      const refused = commandRefusal(rules);
      if (refused) return this.#refuse(request, refused);
    }
    const wanted = readRollout(body, driver.name);
    if ('fault' in wanted) return failure(400, wanted.fault);
    const outcome = await supervisor.rollout(wanted.version, undefined, wanted.only);
    if (!outcome.ok) return failure(outcome.status, outcome.message);
    await this.#context.collect();
    return this.rollout();
  }

  stopRollout(): AdminReply {
    const outcome = this.#context.supervisor.stopRollout('somebody asked for it (DELETE /admin/rollout)');
    return outcome.ok ? this.rollout() : failure(outcome.status, outcome.message);
  }

  async reload(who: string): Promise<AdminReply> {
    const reply = await reloaded(this.#context.settings, who);
    // Whoever hands in its counts has taken what was published before.
    await this.#context.collect();
    return reply;
  }

  openApi(): AdminReply {
    this.#openApi ??= json(200, openApi(this.#context.version));
    return this.#openApi;
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

  hotKeys(query: URLSearchParams): Promise<AdminReply> | AdminReply {
    const { config, supervisor, secret } = this.#context;
    const count = readCount(query);
    if (typeof count === 'string') return failure(400, count);
    return this.shared(`hot keys ${count}`, async () => {
      if (!(await this.#context.collect('hot keys'))) return lateWorker;
      return json(200, hotKeysView(config, supervisor.snapshot(), this.#context.hotKeys(), count, secret));
    });
  }

  async metrics(): Promise<AdminReply> {
    await this.#context.collect();
    const { supervisor, config, totals, driver, version, ...context } = this.#context;
    const { epoch, checksum, algorithm } = supervisor.snapshot();
    this.#metrics ??= import('./metrics.ts').then(({ Metrics }) => new Metrics(version));
    const metrics = await this.#metrics;
    const body = await metrics.render({
      totals,
      slots: supervisor.slots(),
      spares: supervisor.spares(),
      wantedSpares: config.spares,
      driver: driver.name,
      driverReachable: supervisor.driverState().reachable,
      epoch,
      ring: algorithm,
      digest: this.#digest(),
      workers: context.wantedWorkers,
      workersCurrent: context.rings().filter(ring => ring.epoch === epoch && ring.checksum === checksum)
        .length,
      certificates: context.certificates(),
      nowMs: context.clock.wallMs(),
      workerRestarts: context.workerRestarts(),
      workersHung: context.workersHung(),
      refusals: context.audit.refusals,
      replacements: this.#tally.replacements,
      ejections: this.#tally.ejections(supervisor.names()),
      recent: context.recent,
      inFlight: context.inFlight,
      queued: context.queued,
    });
    return { status: 200, headers: { 'content-type': metrics.contentType }, body, more: false };
  }
}

function unknown(path: string, matching: readonly Route[]): AdminReply {
  if (matching.length === 0) return failure(404, `no such endpoint; there are ${endpointNames()}`);
  const methods = matching.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const allow = [...new Set(methods)].join(', ');
  return failure(405, `${path} takes ${allow}`, { allow });
}

const pathOf = ({ path }: Route): string =>
  path.source
    .replaceAll('\\/', '/')
    .replace(/^\^|\$$/g, '')
    .replaceAll('\\.', '.')
    .replace(/\(.*\)/, '{slot}');

/** The page's files are no endpoints of their own. */
const named = routes.filter(({ need }) => need !== 'page');
const endpointNames = (): string => ['/admin/', ...named.map(pathOf)].join(', ');

/** Each with its method and need; endpoints.ts documents them. */
export const routeNames = (): string[] =>
  named.map(route => `${route.method} ${pathOf(route)} ${route.need}`);
