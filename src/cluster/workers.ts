// The primary's side of the worker processes: forks them, keeps W of them alive, publishes snapshots to them, and asks
// them for counters, drained upstreams and shutdown. It is the control plane's DataPlane. A worker that dies is forked
// again at once (with backoff while it dies young) and gets the current snapshot before it listens, so it never serves
// with an empty one. Each sits on a seat, which has the listening sockets (seats.ts); its successor sits on the same.

import type { ChildProcess, SendHandle } from 'node:child_process';
import type { Config } from '../config/fields.ts';
import type { DataPlane } from '../control/data-plane.ts';
import type { Clock } from '../core/clock.ts';
import { StartError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ToPrimary, ToWorker, WorkerRing } from '../core/messages.ts';
import type { SnapshotMessage, SuspectHint, VitalSigns } from '../core/types.ts';
import { type CountersDelta, sumsBySlot } from '../routing/counters.ts';
import type { HotKeysReport } from '../routing/hot-keys.ts';
import { type CpuTime, cpuTimeOf, isStarved } from './cpu-time.ts';
import { Feed } from './feed.ts';
import { ForkBackoff } from './fork-backoff.ts';
import { type AdminHandler, AdminHub } from './hub.ts';
import { ASK_EVERY_MS, DOUBTED, hangOf, isLate } from './liveness.ts';
import { Seats, type Sitter } from './seats.ts';
import type { ListeningSockets } from './sockets.ts';
import { forkWorker, forWorkers } from './worker-process.ts';

/** How long a worker may take to answer a question about what it counts. */
const COLLECT_TIMEOUT_MS = 2_000;

export interface WorkersOptions {
  /** In force at the start. */
  readonly config: Config;
  readonly count: number;
  /** Open by the time of `start`. */
  readonly sockets: Pick<ListeningSockets, 'all' | 'onListening' | 'close'>;
  readonly clock: Clock;
  readonly log: Log;
  /** What a new worker is told before its first snapshot. */
  readonly greeting: () => readonly ToWorker[];
  /** The snapshot that a new worker starts with. */
  readonly snapshot: () => SnapshotMessage;
  readonly onHint: (hint: SuspectHint) => void;
  readonly onAdmin: AdminHandler;
  readonly onDelta: (delta: CountersDelta) => void;
  /** There is another worker. */
  readonly onForked: () => void;
  /** A worker is lost, in words. */
  readonly onLost: (text: string) => void;
}

interface Member extends Sitter {
  readonly id: number;
  readonly process: ChildProcess;
  readonly bornMs: number;
  readonly feed: Feed;
  applied: { epoch: number; checksum: number };
  listening: boolean;
  /** liveness.ts. */
  unanswered: number;
  /** When it was first doubted. */
  cpuTime: CpuTime | null;
  /** Why it was ended as hung. */
  hang: string | null;
  /** Requests in flight per slot, as of the last collection. */
  inFlight: ReadonlyMap<string, number>;
  /** Those of them that are tunnels; that wait for a connection. */
  tunnels: ReadonlyMap<string, number>;
  readonly waiting: Map<number, (signs?: VitalSigns) => void>;
  queued: ReadonlyMap<string, number>;
  /** As of the last time that somebody asked for them. */
  hotKeys: HotKeysReport | null;
  readonly hub: AdminHub;
}

export class Workers implements DataPlane {
  readonly #options: WorkersOptions;
  readonly #members = new Map<number, Member>();
  #config: Config;
  #seats = new Seats<Member>([]);
  #lastId = 0;
  #questionId = 0;
  readonly #backoff = new ForkBackoff();
  #stopping = false;
  /** Where a worker of that pid offers its sockets when this process dies; null while it is not to outlive it. */
  #offerAt: ((pid: number) => string) | null = null;
  #restarts = 0;
  #hung = 0;
  #askedMs = 0;
  #onStarted: { resolve: () => void; reject: (error: Error) => void } | null = null;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#config = forWorkers(options.config);
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Workers that were ended because they gave no sign of life. */
  get hung(): number {
    return this.#hung;
  }

  /** Forks all workers; resolves when every one listens, rejects with StartError when the address cannot be had. */
  start(): Promise<void> {
    this.#seats = new Seats(this.#options.sockets.all);
    return new Promise((resolve, reject) => {
      this.#onStarted = { resolve, reject };
      for (let seat = 0; seat < this.#options.count; seat++) this.#fork(seat);
      this.#askedMs = this.#options.clock.nowMs();
      this.#askForLife();
    });
  }

  /** This process is torc: its workers serve on where it dies. */
  mayOutlive(offerAt: (pid: number) => string): void {
    this.#offerAt = offerAt;
    for (const member of this.#members.values()) this.#sendOutlive(member);
  }

  /** With the next publish. */
  configure(config: Config): void {
    this.#config = forWorkers(config);
  }

  publish(snapshot: SnapshotMessage): void {
    for (const member of this.#members.values()) member.feed.publish(snapshot, this.#config);
  }

  tell(message: ToWorker): void {
    for (const member of this.#members.values()) this.#send(member, message);
  }

  /** Resolves true once no worker has a request in flight on `replicaId`, false at `timeoutMs`. */
  drained(replicaId: string, timeoutMs: number): Promise<boolean> {
    return this.#ask(id => ({ type: 'drain-upstream', id, replicaId }), timeoutMs);
  }

  /** Has every worker hand in its counters (through `onDelta`); false when one did not in time. */
  collect(what: 'counts' | 'keys' | 'hot keys' = 'counts'): Promise<boolean> {
    return this.#ask(id => ({ type: 'collect', id, with: what }), COLLECT_TIMEOUT_MS);
  }

  /** What each worker handed in when its hot keys were collected last. */
  hotKeys(): HotKeysReport[] {
    return [...this.#members.values()].flatMap(({ hotKeys }) => hotKeys ?? []);
  }

  async signs(replicaId: string): Promise<VitalSigns | null> {
    let [reads, answers] = [0, 0];
    const add = (signs: VitalSigns): void => {
      reads += signs.reads;
      answers += signs.answers;
    };
    const inTime = await this.#ask(id => ({ type: 'signs?', id, replicaId }), COLLECT_TIMEOUT_MS, add);
    return inTime ? { reads, answers } : null;
  }

  /** Requests in flight on a slot over all workers, as of the last collection. */
  inFlight(slot: string): number {
    return this.#sum(slot, 'inFlight');
  }

  /** Those of the requests in flight that have become tunnels. */
  tunnels(slot: string): number {
    return this.#sum(slot, 'tunnels');
  }

  /** Those of the requests in flight that wait for a connection. */
  queued(slot: string): number {
    return this.#sum(slot, 'queued');
  }

  #sum(slot: string, what: 'inFlight' | 'tunnels' | 'queued'): number {
    let sum = 0;
    for (const member of this.#members.values()) sum += member[what].get(slot) ?? 0;
    return sum;
  }

  rings(): WorkerRing[] {
    return [...this.#members.values()].map(member => ({
      worker: member.id,
      pid: member.process.pid ?? 0,
      ...member.applied,
    }));
  }

  /** Nobody new comes to them; resolves when it is so. */
  async leaveSockets(): Promise<void> {
    for (const { id } of this.#options.sockets.all) this.tell({ type: 'leave', socket: id });
    await this.collect(); // messages keep their order
  }

  /** Has the workers finish what they accepted, at most `graceMs`, and waits for their exit. */
  async shutdown(graceMs: number, isReplaced = false): Promise<void> {
    this.#stopping = true;
    const gone = [...this.#members.values()].map(
      member => new Promise<void>(resolve => member.process.once('exit', () => resolve())),
    );
    // First, so that the kernel queues nobody in a socket that no worker has any more.
    this.#options.sockets.close();
    for (const member of this.#members.values()) {
      member.hub.close();
      this.#send(member, { type: 'shutdown', graceMs, isReplaced });
    }
    // A worker bounds its own drain; one that hangs past it is ended here.
    const timer = this.#options.clock.after(graceMs + 2_000, () => this.kill());
    await Promise.all(gone);
    timer.cancel();
  }

  /** Ends the workers at once. */
  kill(): void {
    this.#stopping = true;
    this.#options.sockets.close();
    for (const member of this.#members.values()) member.process.kill('SIGKILL');
  }

  #fork(seat: number): void {
    const id = ++this.#lastId;
    const child = forkWorker(id, this.#config);
    const member: Member = {
      id,
      seat,
      process: child,
      tell: (message, handle) => this.#send(member, message, handle),
      bornMs: this.#options.clock.nowMs(),
      feed: new Feed(this.#config, message => this.#send(member, message)),
      applied: { epoch: -1, checksum: 0 },
      listening: false,
      unanswered: 0,
      cpuTime: null,
      hang: null,
      inFlight: new Map(),
      tunnels: new Map(),
      queued: new Map(),
      hotKeys: null,
      waiting: new Map(),
      hub: new AdminHub(this.#options.onAdmin, message => this.#send(member, message)),
    };
    this.#members.set(id, member);
    child.on('message', message => this.#onMessage(member, message as ToPrimary<CountersDelta>));
    child.on('exit', (code, signal) =>
      this.#onExit(member, signal ? `signal ${signal}` : `exit code ${code}`),
    );
    // A send that races the worker's death fails here; `exit` tells the rest.
    child.on('error', error =>
      this.#options.log.debug({ worker: id, error: error.message }, 'worker channel'),
    );
    for (const message of this.#options.greeting()) this.#send(member, message);
    member.feed.publish(this.#options.snapshot(), this.#config);
    this.#seats.sit(member);
    this.#sendOutlive(member);
    this.#options.onForked();
  }

  #askForLife(): void {
    const { clock } = this.#options;
    clock.after(ASK_EVERY_MS, () => {
      if (this.#stopping) return;
      const nowMs = clock.nowMs();
      const sinceMs = nowMs - this.#askedMs;
      this.#askedMs = nowMs;
      for (const member of this.#members.values()) {
        const { pid = 0 } = member.process;
        if (member.unanswered === DOUBTED) member.cpuTime = cpuTimeOf(pid);
        const isStarvedNow = (): boolean => isStarved(member.cpuTime, cpuTimeOf(pid));
        member.hang ??= hangOf({ ...member, ageMs: nowMs - member.bornMs, isStarved: isStarvedNow }, sinceMs);
        if (member.hang !== null) {
          member.process.kill('SIGKILL'); // the only signal that a stopped process hears
          continue;
        }
        this.#send(member, { type: 'alive?' });
        if (!isLate(sinceMs)) member.unanswered++;
      }
      this.#askForLife();
    });
  }

  #send(member: Member, message: ToWorker, handle?: SendHandle): void {
    if (member.process.connected) member.process.send(message, handle);
  }

  #sendOutlive(member: Member): void {
    const { pid } = member.process;
    if (this.#offerAt !== null && pid !== undefined)
      this.#send(member, { type: 'outlive', offerAt: this.#offerAt(pid) });
  }

  /** Asks every worker one question; a worker that dies has answered (it holds nothing any more). */
  async #ask(
    question: (id: number) => ToWorker,
    timeoutMs: number,
    onSigns: (signs: VitalSigns) => void = () => {},
  ): Promise<boolean> {
    const id = ++this.#questionId;
    const members = [...this.#members.values()].filter(member => member.process.connected);
    let timer: { cancel(): void } | undefined;
    const timedOut = new Promise<boolean>(resolve => {
      timer = this.#options.clock.after(timeoutMs, () => resolve(false));
    });
    const answered = members.map(member => {
      const answer = new Promise<void>(resolve => {
        member.waiting.set(id, signs => {
          if (signs !== undefined) onSigns(signs);
          resolve();
        });
      });
      member.feed.flush();
      this.#send(member, question(id));
      return answer;
    });
    const inTime = await Promise.race([Promise.all(answered).then(() => true), timedOut]);
    timer?.cancel();
    for (const member of members) member.waiting.delete(id);
    return inTime;
  }

  #onMessage(member: Member, message: ToPrimary<CountersDelta>): void {
    switch (message.type) {
      case 'listening':
        if (!this.#seats.listens(member, message.socket)) return;
        member.listening = true;
        member.unanswered = 0; // it was busy with its start
        this.#options.sockets.onListening();
        if ([...this.#members.values()].every(other => other.listening)) this.#started(null);
        return;
      case 'listen-failed':
        this.#started(new StartError(message.message));
        return;
      case 'alive':
        member.unanswered = 0;
        return;
      case 'applied':
        member.applied = { epoch: message.epoch, checksum: message.checksum };
        member.feed.applied();
        return;
      case 'suspect':
        this.#options.onHint(message.hint);
        return;
      case 'collected':
        member.inFlight = sumsBySlot(message.delta, 'inFlight');
        member.tunnels = sumsBySlot(message.delta, 'tunnels');
        member.queued = sumsBySlot(message.delta, 'queued');
        member.hotKeys = message.delta.hotKeys ?? member.hotKeys;
        this.#options.onDelta(message.delta);
        member.waiting.get(message.id)?.();
        return;
      case 'upstream-drained':
        member.waiting.get(message.id)?.();
        return;
      case 'signs':
        member.waiting.get(message.id)?.(message.signs);
        return;
      default:
        member.hub.onMessage(message);
    }
  }

  #started(error: Error | null): void {
    const waiter = this.#onStarted;
    this.#onStarted = null;
    if (error) waiter?.reject(error);
    else waiter?.resolve();
  }

  #onExit(member: Member, end: string): void {
    const cause = member.hang === null ? end : `it hung: ${member.hang}`;
    this.#members.delete(member.id);
    for (const answer of member.waiting.values()) answer();
    member.hub.close();
    if (this.#stopping) return;
    this.#seats.leave(member, [...this.#members.values()]);
    if (member.hang !== null) this.#hung++;
    if (!member.listening && this.#onStarted) {
      this.#started(new StartError(`a worker ended before it could listen: ${cause}`));
      return;
    }
    const { clock, log } = this.#options;
    this.#restarts++;
    const waitMs = this.#backoff.died(clock.nowMs() - member.bornMs);
    log.error(
      { worker: member.id, cause, waitMs },
      'a worker died; its connections are lost, a new one starts',
    );
    const { pid } = member.process;
    this.#options.onLost(`worker ${member.id} (pid ${pid}) died and is replaced: ${cause}`);
    clock.after(waitMs, () => {
      if (!this.#stopping) this.#fork(member.seat);
    });
  }
}
