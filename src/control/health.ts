// Is each replica well? Has its heartbeats asked, judges them (vitality.ts) and says what follows, as signals for the next
// tick. Heartbeats alone end nobody: while one misses them, the workers are asked too whether anything came from it, each
// time, because who decides must know what the others see (memberlist asks other members before it declares one dead).
// Nobody is asked on the way of a request: the workers count reads anyway, and are asked only about who is in trouble.

import { StartError } from '../core/errors.ts';
import type { ContainerHealth, Driver, Listening, ProbeResult, Question, Replica } from './driver.ts';
import { type Asked, Heartbeats } from './heartbeat.ts';
import type { Signal } from './inbox.ts';
import type { SupervisorOptions, SupervisorSettings } from './options.ts';
import { addressOf, inWords, questionsOf } from './questions.ts';
import type { Change, Member, Slot, Slots } from './slots.ts';
import { adviceFor } from './start-advice.ts';
import { illnessOf, judgeBeat, moreTime, noteReads, noteVoid } from './vitality.ts';
import { Wake } from './wake.ts';

const NOT_FOUND = 404;
/** Different ones remembered: programs that die one after the other may each have a trouble of their own. */
const MOST_ADVICE = 32;

export interface HealthOptions extends SupervisorOptions {
  readonly slots: Slots;
  /** Somebody has to look at a replica. */
  readonly onSignal: (signal: Signal) => void;
  /** It may get requests, and did not until now. */
  readonly onWell: (slot: Slot, member: Member, cause: string) => void;
  /** Some on machines have missed a heartbeat, which alone says nothing of them yet; once for all of one moment. */
  readonly onMissed: () => void;
  readonly change: (cause: string, source: 'heartbeat') => Change;
}

export class Health {
  readonly #options: HealthOptions;
  #questions: readonly Question[];
  readonly #heartbeats: Heartbeats;
  readonly #missed: Wake;
  /** The question that was answered well last, once the log has said so. */
  #found: Question | null = null;
  /** What was told of starts that do not answer, since the last that did. */
  readonly #toldAdvice = new Set<string>();
  /** Starts that are overdue and looked at. */
  readonly #lookingAt = new Set<Member>();

  constructor(options: HealthOptions) {
    const { driver, clock, random } = options;
    const settings = options.settings();
    this.#options = options;
    const fault = healthFault(settings, driver);
    if (fault !== null) throw new StartError(fault, { exitCode: 2 });
    this.#questions = questionsOf(settings, driver.health !== undefined);
    this.#missed = new Wake(clock, options.onMissed);
    this.#heartbeats = new Heartbeats({
      ask: (replica, question, ...how) => this.#ask(replica, question, ...how),
      questions: this.#questions,
      clock,
      random,
      intervalMs: settings.heartbeatIntervalMs,
      timeoutMs: settings.heartbeatTimeoutMs,
      onBeat: (replicaId, asked) => this.#onBeat(replicaId, asked),
      onVoid: replicaId => this.#onVoid(replicaId),
    });
  }

  /** False: every replica counts as alive until a worker says otherwise. */
  get isAsked(): boolean {
    return this.#questions.length > 0;
  }

  /** Other settings are in force than `before`. Where nothing was asked, or is any more, the replicas are met anew. */
  configure(before: SupervisorSettings): void {
    const { driver, settings, slots } = this.#options;
    const now = settings();
    const asked = this.isAsked;
    const questions = questionsOf(now, driver.health !== undefined);
    const isSame = JSON.stringify(questions) === JSON.stringify(this.#questions);
    const { heartbeatIntervalMs: intervalMs, heartbeatTimeoutMs: timeoutMs } = now;
    if (isSame && intervalMs === before.heartbeatIntervalMs && timeoutMs === before.heartbeatTimeoutMs)
      return;
    if (!isSame) this.#questions = questions;
    this.#found = null;
    this.#heartbeats.configure({ questions: this.#questions, intervalMs, timeoutMs });
    if (asked === this.isAsked) return;
    for (const slot of slots.all()) {
      const { member } = slot;
      if (member === null) continue;
      if (!this.isAsked) this.unwatch(member);
      else this.watch(member.replica);
      if (member.state === 'ready') this.steady(member);
      else if (!this.isAsked) this.#options.onWell(slot, member, 'taken without probes');
    }
  }

  watch(replica: Replica): void {
    this.#heartbeats.watch(replica);
  }

  steady({ replica }: Member): void {
    this.#heartbeats.steady(replica.id);
  }

  /** The next beat decides a doubt. */
  confirm(member: Member): void {
    if (!this.isAsked) return;
    member.confirming = true;
    this.#heartbeats.confirm(member.replica.id);
  }

  /** Does it answer now? Nobody doubts it itself. */
  askSoon({ replica }: Member): void {
    this.#heartbeats.askSoon(replica.id);
  }

  unwatch({ replica }: Member): void {
    this.#heartbeats.unwatch(replica.id);
  }

  close(): void {
    this.#missed.cancel();
    this.#heartbeats.close();
  }

  async #ask(
    replica: Replica,
    question: Question,
    timeoutMs: number,
    isRoutine: boolean,
  ): Promise<ProbeResult | null> {
    const { driver, probe } = this.#options;
    if (question.mode !== 'docker') return probe(replica, question, timeoutMs, isRoutine);
    try {
      return resultOf(await driver.health!(replica));
    } catch {
      return null; // the engine is away, which is not the replica's fault
    }
  }

  #onBeat(replicaId: string, asked: readonly Asked[]): void {
    const { slots, clock, onWell } = this.#options;
    const slot = slots.byReplica(replicaId);
    if (!slot?.member) return;
    const { member } = slot;
    const { result } = asked.at(-1)!;
    const { heartbeatFall: fall, heartbeatRise: rise } = this.#options.settings();
    const before = member.state;
    const verdict = judgeBeat(member, result, clock.nowMs(), { fall, rise });
    if (result.alive) {
      this.#tellFound(member, asked);
      member.confirming = false;
      member.readsSeen = null;
      if (before === 'ready') slot.trouble = null;
      if (verdict !== 'none') this.#toldAdvice.clear();
      if (verdict !== 'none') onWell(slot, member, `heartbeat answered: ${result.detail}`);
      return;
    }
    const cause = causeOf(member, asked);
    if (before === 'starting') {
      slot.change = this.#options.change(cause, 'heartbeat');
      if (clock.nowMs() >= member.adviseAtMs) void this.#advise(slot, member, asked[0]!);
    } else if (before === 'ready') slot.trouble ??= this.#signalOf(member, 'suspect', cause);
    if (verdict === 'overdue') void this.#lookAtOverdue(slot, member, cause);
    else if (verdict === 'refused') this.#signal(member, 'failing', cause);
    else if (before === 'ready' || before === 'suspect') {
      if (verdict === 'leave') this.#signal(member, 'suspect', cause);
      else if (member.replica.place) this.#missed.at(clock.nowMs());
      void this.#askWorkers(slot, member, result.got, cause);
    }
  }

  /** Which question it is, where there was a choice: once, and again where a replica answers another. */
  #tellFound({ replica }: Member, asked: readonly Asked[]): void {
    const { question, result } = asked.at(-1)!;
    if (this.#questions.length === 1 || question === this.#found) return;
    // Each replica has its own; where they differ for long (another version), the log does not say so with every beat.
    if (this.#found !== null && asked.length === 1) return;
    this.#found = question;
    const others = asked.slice(0, -1).map(({ question, result }) => `${inWords(question)}: ${result.detail}`);
    const because = others.length === 0 ? '' : ` (${others.join('; ')})`;
    this.#options.log.info(
      { replica: replica.label, question: inWords(question) },
      `heartbeats ask for ${inWords(question)}: ${result.detail}${because}; TORC_HEARTBEAT_PATH sets another`,
    );
  }

  /** Why it may not answer, on the screen while it still starts; once for all that have the same trouble. */
  async #advise(slot: Slot, member: Member, { question, result }: Asked): Promise<void> {
    const { driver, clock, log } = this.#options;
    const { replica } = member;
    member.adviseAtMs += clock.nowMs() - member.bornMs;
    const unknown: Listening = { port: replica.port, sockets: null, isDeclared: false };
    const listening = (await driver.listens?.(replica)) ?? unknown;
    if (slot.member !== member || member.state !== 'starting') return;
    const { text, isWaiting } = adviceFor({
      question,
      result,
      driver: driver.name,
      listening,
    });
    member.advice = text;
    const what = text === '' ? result.detail : text;
    const anyone = what.replaceAll(replica.host, 'HOST').replaceAll(`${replica.port}`, 'PORT');
    const key = `${result.got} ${result.status} ${anyone}`;
    if (this.#toldAdvice.has(key)) return;
    if (this.#toldAdvice.size === MOST_ADVICE) this.#toldAdvice.clear();
    this.#toldAdvice.add(key);
    const where = `${inWords(question)} on ${addressOf(replica, question)}: ${result.detail}`;
    const told = `slot ${slot.name} does not answer yet: ${where}${text === '' ? '' : `; ${text}`}`;
    log[isWaiting ? 'info' : 'warn']({ slot: slot.name, replica: replica.label }, told);
  }

  /** Its time is up; but one that goes on to print may only be slow. */
  async #lookAtOverdue(slot: Slot, member: Member, cause: string): Promise<void> {
    if (this.#lookingAt.has(member)) return;
    this.#lookingAt.add(member);
    const { driver, clock } = this.#options;
    const mark = (await driver.outputMark?.(member.replica)) ?? '';
    this.#lookingAt.delete(member);
    if (slot.member !== member || member.state !== 'starting') return;
    const untilMs = moreTime(member, mark, clock.nowMs());
    member.outputMark = mark;
    if (untilMs === null) this.#signal(member, 'hung', cause);
    else member.answerByMs = untilMs;
  }

  #onVoid(replicaId: string): void {
    const { slots, clock } = this.#options;
    const member = slots.byReplica(replicaId)?.member;
    if (member) noteVoid(member, clock.nowMs());
  }

  async #askWorkers(slot: Slot, member: Member, got: ProbeResult['got'], cause: string): Promise<void> {
    const { dataPlane, clock } = this.#options;
    const signs = await dataPlane.signs(member.replica.id);
    if (slot.member !== member || signs === null) return;
    const nowMs = clock.nowMs();
    noteReads(member, signs.reads, nowMs);
    const { heartbeatFall, deadAfterMs } = this.#options.settings();
    const illness = illnessOf(member, got, nowMs, heartbeatFall, deadAfterMs);
    if (illness === 'silent')
      this.#signal(
        member,
        'hung',
        `no sign of life for ${inSeconds(nowMs - member.silentSinceMs!)}: ${cause}`,
      );
    else if (illness === 'unwell')
      this.#signal(member, 'failing', `not well for ${inSeconds(nowMs - member.unwellSinceMs!)}: ${cause}`);
  }

  #signal(member: Member, kind: Signal['kind'], cause: string): void {
    this.#options.onSignal(this.#signalOf(member, kind, cause));
  }

  #signalOf({ replica }: Member, kind: Signal['kind'], cause: string): Signal {
    return { replicaId: replica.id, kind, source: 'heartbeat', cause, atMs: this.#options.clock.nowMs() };
  }
}

/** Why replicas of this driver cannot be asked so; null where they can. */
export function healthFault({ heartbeatMode }: SupervisorSettings, driver: Driver): string | null {
  if (heartbeatMode !== 'docker' || driver.health !== undefined) return null;
  return `TORC_HEARTBEAT_MODE: the ${driver.name} driver's replicas have no health of their own; allowed: http, tcp`;
}

function causeOf({ state, replica, advice }: Member, asked: readonly Asked[]): string {
  const what = state === 'starting' ? 'no heartbeat answered yet' : 'heartbeat missed';
  const each = asked.map(({ question, result }, index) => {
    const where = index === 0 ? ` on ${addressOf(replica, question)}` : '';
    return `${inWords(question)}${where}: ${result.detail}`;
  });
  return [`${what}: ${each.join('; ')}`, ...(state === 'starting' && advice !== '' ? [advice] : [])].join(
    '; ',
  );
}

/** What a container's own health check says, as an answer. */
function resultOf(health: ContainerHealth | null): ProbeResult {
  const detail = health === null ? 'it has no HEALTHCHECK' : health;
  // Where there is none, another question is the right one.
  const status = health === null ? NOT_FOUND : 0;
  return { alive: health === 'healthy', got: health === 'starting' ? 'nothing' : 'answer', status, detail };
}

const inSeconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;
