// The primary process: puts control plane, driver, workers and admin together, starts them in the order in which a
// failure leaves least behind (port first, then engine, then replicas), and ends them in the opposite one. It serves no
// client traffic itself.

import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type AccessRules, isLoopback } from './admin/access.ts';
import { Audit } from './admin/audit.ts';
import { Admin } from './admin/routes.ts';
import { announce, readyLine } from './banner.ts';
import { AdminListener } from './cluster/admin-listener.ts';
import { claimAddress } from './cluster/claim.ts';
import { Https } from './cluster/https.ts';
import { keptSockets } from './cluster/kept-sockets.ts';
import { passSignalsOn, watchLine } from './cluster/launcher.ts';
import type { Predecessor } from './cluster/predecessor.ts';
import { ListeningSockets, placeOf } from './cluster/sockets.ts';
import type { Successor } from './cluster/successor.ts';
import { Workers } from './cluster/workers.ts';
import { collectRegularly } from './collecting.ts';
import { addressesOf } from './config/addresses.ts';
import { adminAddressOf } from './config/admin-address.ts';
import type { Loaded, Settings } from './config/load.ts';
import { type Part, Reloader } from './config/reload.ts';
import { EventFile } from './control/event-file.ts';
import { canaryFile, weightFile } from './control/slot-file.ts';
import { Supervisor } from './control/supervisor.ts';
import { systemClock } from './core/clock.ts';
import { StartError } from './core/errors.ts';
import { isSocketPath } from './core/host-port.ts';
import { isAmong, parsePeers } from './core/ip-ranges.ts';
import type { ProcessLog } from './core/log.ts';
import { systemRandom } from './core/random.ts';
import { LIFELINE_FD } from './core/succession.ts';
import { createDriver } from './drivers/create.ts';
import { lendable } from './drivers/lendable.ts';
import { keptProbe } from './drivers/probe-kept.ts';
import { stateRoot } from './drivers/state.ts';
import { readUpstreams } from './drivers/static/file.ts';
import { inherit } from './inheritance.ts';
import { LiveAutoscaler, LiveTokens, livePartsOf, makeAutoscaler, onHangUp } from './live.ts';
import { Orphans } from './orphans.ts';
import { type CountersDelta, emptyTotals, keepOnly, mergeDelta } from './routing/counters.ts';
import { RecentLatencies } from './routing/recent.ts';
import { fromPlain, toPlain } from './routing/totals-on-the-way.ts';
import { ServiceManager } from './service-manager.ts';
import { stopSignal } from './stop-signal.ts';
import { noneLeaving, readyAgain, Succession } from './succession.ts';
import { ownVersion } from './version.ts';

/** A disk that hangs does not keep torc from its exit. */
const EVENTS_WAIT_MS = 2_000;
/** An engine that is away does not either. */
const TAKE_BACK_WAIT_MS = 10_000;
/** Nor does a service manager that nobody can reach. */
const KNOWN_WAIT_MS = 15_000;

/** Runs until a signal ends it; the exit code comes back. Rejects with StartError when it cannot start. */
export async function runPrimary(
  settings: Settings,
  load: () => Loaded,
  processLog: ProcessLog,
  predecessor: Predecessor | null,
): Promise<number> {
  const { config, meant, passedOver, notes } = settings;
  const { log, always, fault } = processLog;
  const version = ownVersion();
  const manager = new ServiceManager({ env: process.env, pid: process.pid, clock: systemClock, log });
  // Files that settings name are settings: what is wrong in them is said before anything starts.
  const tokens = new LiveTokens(config);
  if (config.upstreamsFile !== null) readUpstreams(config.upstreamsFile);
  /** Why there is nothing to reload; null while torc serves. */
  let phase: string | null = 'torc is starting: try again later';
  log.info({ version, node: process.versions.node, pid: process.pid }, `torc ${version} starts`);
  if (passedOver.length > 0)
    log.debug({ passedOver }, 'variables of a Service or a link named torc are no settings: passed over');
  for (const { level, text } of notes) log[level]({}, text);
  const addresses = addressesOf(config);
  const root = stateRoot(config.stateDir);
  const scope = `${addresses[0]!.host}_${addresses[0]!.port}`.replace(/[^A-Za-z0-9._-]/g, '_');
  const orphans = new Orphans(join(root, `workers-${scope}.json`), log);
  if (predecessor === null) await orphans.take(systemClock);
  await predecessor?.gotSockets();
  const adminAddress = adminAddressOf(config);
  const kept = predecessor?.kept ?? keptSockets(process.env, process.pid, log);
  const inheritance = await inherit(addresses, adminAddress, predecessor ?? orphans, kept);
  const clientsWait = orphans.count > 0 || kept.length > 0;
  for (const { keeper } of kept) log.info({ ...keeper }, `${keeper.name}: a socket that is kept for torc`);
  const claims: (() => void)[] = [];
  for (const address of addresses) {
    const isOurs = orphans.count > 0 || inheritance.sockets.has(placeOf(address));
    claims.push(await claimAddress(address, { pid: predecessor?.pid ?? 0, isOurs }));
  }
  const totals = emptyTotals();
  const recent = new RecentLatencies();
  const tlsBefore = predecessor?.tls ?? null;
  const https =
    config.httpsPort === null ? null : new Https(config, log, tlsBefore, message => workers.tell(message));
  await https?.open();
  const workerCount = config.workers === 0 ? availableParallelism() : config.workers;
  const sockets = new ListeningSockets(addresses, workerCount, inheritance.sockets);
  const made = await createDriver(config, {
    meant,
    stateRoot: root,
    log,
    progress: text => log.info({}, text),
  });
  const lent = lendable(made.driver, {
    atFirst: predecessor === null ? 'ours' : 'looked at',
    clock: systemClock,
    onRefused: ({ message }) =>
      log.error({ error: message }, 'the replicas cannot be had back yet: tried again'),
  });
  const { driver } = lent;
  // All that can be wrong with settings and files has been looked at.
  const past = (await predecessor?.take()) ?? null;
  if (past !== null) fromPlain(totals, past.totals);
  const eventFile = new EventFile(join(root, `events-${scope}.jsonl`), log);
  const canaryStore = canaryFile(join(root, `canaries-${scope}.json`), log);
  let stopCollecting = (): void => {};
  /** What is counted is another torc's to tell. */
  let tellHeir: Successor['tell'] | null = null;
  const count = (delta: CountersDelta): void => {
    mergeDelta(totals, delta);
    tellHeir?.({ type: 'delta', delta });
  };
  if (predecessor !== null) predecessor.onDelta = delta => count(delta as CountersDelta);
  const parts: Part[] = [];
  const reloader = new Reloader({
    settings,
    load,
    driver: () => driver.name,
    refusal: () => succession.underWay ?? (phase === null ? null : { status: 503, message: phase }),
    parts,
    began: () => manager.reloading(),
    announce: (text, level) => {
      supervisor.announce('settings', text, level);
      manager.ready(() => readyLine(supervisor));
    },
  });
  const workers: Workers = new Workers({
    config,
    greeting: () => https?.greeting() ?? [],
    count: workerCount,
    sockets,
    clock: systemClock,
    log,
    snapshot: () => supervisor.snapshot(),
    onHint: hint => supervisor.hint(hint),
    onAdmin: (request, channel) => void admin.handle(request, channel, rulesFor(request.listener, false)),
    onDelta: delta => {
      count(delta);
      recent.record(delta, systemClock.nowMs());
    },
    onForked: () => recordWorkers(),
    onLost: text => supervisor.announce('worker', text),
  });
  const supervisor = new Supervisor({
    driver,
    probe: keptProbe(systemRandom),
    clock: systemClock,
    random: systemRandom,
    log,
    dataPlane: workers,
    settings: () => reloader.settings.config,
    eventStore: eventFile,
    canaryStore,
    // Where there are orders to give, weights are everybody's, and kept where these go.
    ...(driver.orders ? {} : { weightStore: weightFile(join(root, `weights-${scope}.json`), log) }),
    ...(past !== null && past.replicas === config.replicas ? { slotNames: past.slots } : {}),
  });
  const admin = new Admin({
    settings: reloader,
    get config() {
      return reloader.settings.config;
    },
    clock: systemClock,
    supervisor,
    totals,
    driver,
    audit: new Audit(log, systemClock),
    past: eventFile,
    secret: randomBytes(32),
    version,
    startedMs: systemClock.wallMs(),
    wantedWorkers: workerCount,
    collect: what => {
      totals.logDropped += processLog.takeDropped();
      return workers.collect(what);
    },
    hotKeys: () => workers.hotKeys(),
    inFlight: slot => workers.inFlight(slot),
    queued: slot => workers.queued(slot),
    recent: (replicaId, windowMs) => recent.view(replicaId, systemClock.nowMs(), windowMs),
    rings: () => workers.rings(),
    certificates: () => https?.store.expiries ?? [],
    workerRestarts: () => workers.restarts,
    workersHung: () => workers.hung,
    replaceTorc: by => succession.replace(by),
  });

  const rulesFor = (host: string, isControl: boolean): AccessRules => {
    const { adminOpen, adminHosts, trustedProxies } = reloader.settings.config;
    return {
      isLocal: isSocketPath(host) ? isControl : isLoopback(host),
      host: isSocketPath(host) ? '' : host,
      tokens: tokens.tokens,
      adminOpen,
      adminHosts,
      isReplicaPeer: address => driver.isReplicaPeer?.(address) ?? false,
      isTrustedProxy: address => isAmong(address, false, parsePeers(trustedProxies)),
    };
  };
  const adminListener =
    adminAddress &&
    new AdminListener(adminAddress, {
      clock: systemClock,
      timeoutMs: config.headerTimeoutMs,
      log,
      onAdmin: (request, channel) => void admin.handle(request, channel, rulesFor(request.listener, true)),
    });

  const autoscaler = new LiveAutoscaler(now => makeAutoscaler(now, supervisor, workers));
  parts.push(
    ...livePartsOf({ config, processLog, tokens, workers, supervisor, made, adminListener, autoscaler }),
    ...(https === null ? [] : [() => https.store.prepare()]),
  );

  const stopped = stopSignal(() => {
    workers.kill();
    process.exit(1);
  });
  const succession = new Succession({
    clock: systemClock,
    env: () => ({ ...process.env, ...manager.taken }),
    lifeline: () => (predecessor !== null ? LIFELINE_FD : manager.isThere ? 'ignore' : 'pipe'),
    sockets: () => [
      ...sockets.all.map(({ address, handle, keeper }) => ({
        ...{ place: placeOf(address), isAdmin: false, handle, keeper },
      })),
      ...(adminListener === null ? [] : [{ ...adminListener.socket, isAdmin: true }]),
    ],
    tls: () => https?.past ?? null,
    refusal: () => (phase === null ? supervisor.changeRefusal() : { status: 503, message: phase }),
    giveUp: async tell => {
      phase = 'another torc takes over: ask it in a moment';
      supervisor.holdChanges(phase);
      autoscaler.close();
      await noneLeaving(supervisor, reloader.settings.config.drainTimeoutMs);
      await lent.lend();
      await within(EVENTS_WAIT_MS, eventFile.close());
      await workers.collect('keys');
      tellHeir = tell;
      const slots = supervisor.slots();
      return {
        totals: toPlain(totals),
        slots: supervisor.names(),
        replicas: reloader.settings.config.replicas,
        ready: slots.filter(({ state }) => state === 'ready').length,
      };
    },
    takeBack: async () => {
      tellHeir = null;
      eventFile.open();
      await lent.take();
      supervisor.holdChanges(null);
      autoscaler.run(reloader.settings.config);
      phase = null;
    },
    handOver: async successor => {
      for (const release of claims) release();
      sockets.keepsFiles = true;
      adminListener?.handOn();
      successor.tell({ type: 'yours' });
      await workers.leaveSockets();
    },
    failed: text => supervisor.announce('replace', text, 'warn'),
  });
  const hangUp = onHangUp(reloader, succession);
  process.on(
    'SIGUSR2',
    () => void succession.replace('SIGUSR2').then(outcome => log.info({}, outcome.message)),
  );
  const recordWorkers = (): void => {
    if (isOurs) void orphans.record(workers.rings().map(({ pid }) => pid));
  };
  const dismissOrphans = async (): Promise<void> => {
    const count = await orphans.dismiss();
    if (count > 0)
      supervisor.announce(
        'worker',
        `${count} workers of a torc that died have served on; they finish what they have`,
      );
  };
  /** Until a predecessor has said so, all here is its own. */
  let isOurs = predecessor === null;
  /** What only a successor goes on with, and then the end, or what is left to be (cluster/launcher.ts). */
  const handOn = async (successor: Successor): Promise<number> => {
    const onPid = passSignalsOn(successor.process.pid!);
    const lifeline = successor.process.stdio[LIFELINE_FD];
    const line = lifeline ? watchLine(lifeline as Readable, onPid) : 0;
    const told = manager.handedOn();
    https?.close();
    await workers.shutdown(reloader.settings.config.drainTimeoutMs, true);
    stopCollecting();
    await supervisor.stop({ remove: false });
    adminListener?.close();
    await told;
    // A main process that ends before systemd knows of the next one has all of them ended.
    await within(KNOWN_WAIT_MS, successor.known);
    successor.leave();
    log.info({ successor: successor.process.pid }, 'replaced: what was under way here is finished');
    return line;
  };
  try {
    const started = (async () => {
      await adminListener?.listen(inheritance.admin);
      await sockets.open();
      // Where others serve, or clients wait already, this torc does not before it has replicas to route to.
      if (past !== null) await Promise.race([supervisor.start(), readyAgain(supervisor, past.ready)]);
      else if (clientsWait) await supervisor.start();
      // Before clients can come to workers of ours.
      if (past !== null && past.ready > 0 && !supervisor.slots().some(({ state }) => state === 'ready'))
        throw new StartError('no replica answers its heartbeats');
      await workers.start();
      if (past === null && !clientsWait) await supervisor.start();
      // Messages keep their order: a worker that answers has applied what was published before.
      await workers.collect();
      if (past === null) return;
      await predecessor!.ready(version);
    })();
    const signal = await Promise.race([started, stopped]);
    if (signal === undefined) {
      // Its workers have outlived it.
      if (predecessor?.isGone) await orphans.find();
      isOurs = true;
      workers.mayOutlive(pid => orphans.offerAt(pid));
      recordWorkers();
      await dismissOrphans();
      sockets.keepsFiles = false;
      if (adminListener !== null) adminListener.keepsFile = false;
      if (predecessor !== null) {
        void lent.take();
        void manager.takesOver().then(() => predecessor.known());
        supervisor.announce(
          'replace',
          `torc ${version} (pid ${process.pid}) has taken over from pid ${predecessor.pid}`,
        );
      }
      announce({ version, config, driver, supervisor, hasTokens: tokens.tokens.length > 0, always });
      if (fault() !== null) throw new StartError(`the log cannot be written: ${fault()}`);
      manager.ready(() => readyLine(supervisor));
      stopCollecting = collectRegularly(workers, () => {
        keepOnly(totals, new Set(supervisor.names()));
        recent.keepOnly(new Set(supervisor.slots().map(slot => slot.replicaId)));
      });
      autoscaler.run(reloader.settings.config);
      phase = null;
      hangUp.ready();
    }
    const end = await Promise.race([stopped, succession.succeeded]);
    if (typeof end !== 'string') return await handOn(end);
    await within(TAKE_BACK_WAIT_MS, succession.callOff('torc is stopping'));
    if (succession.successor !== null) {
      succession.successor.process.kill(end);
      return await handOn(succession.successor);
    }
    log.info({ signal: end }, 'stopping: no new connections, requests in flight are finished');
    const told = manager.stopping();
    phase = 'torc is stopping';
    autoscaler.close();
    https?.close();
    await dismissOrphans();
    await workers.shutdown(reloader.settings.config.drainTimeoutMs);
    if (isOurs) orphans.forget();
    lent.abandon();
    await supervisor.stop({ remove: isOurs && config.onExit === 'remove' });
    adminListener?.close();
    await within(EVENTS_WAIT_MS, eventFile.close());
    await told;
  } catch (error) {
    workers.kill();
    lent.abandon();
    await supervisor.stop({ remove: isOurs && orphans.count === 0, hasServed: phase === null });
    adminListener?.close();
    throw error;
  }
  log.info({}, 'stopped');
  return fault() === null ? 0 : 1;
}

/** Waits for `work`, but no longer than that. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = systemClock.after(ms, resolve);
  await Promise.race([work, promise]);
  timer.cancel();
}
