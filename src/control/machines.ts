// A machine is lost: every replica on it is silent, and so is the machine. One that hangs or computes is not enough, nor one
// that refuses connections: somebody is there to refuse. Then nothing on it answers what it was asked, so its replicas leave
// their slots at once and what waits for them is tried elsewhere; and the orchestrator, which needs longer to notice, is told
// to make them on other machines. The first miss of one has the machine asked, and its others, so that all of this is known when
// that one misses again (SWIM asks others too before it believes a silence). Who hears nothing from other machines since
// then doubts itself: it may be the one that is cut off.

import type { Clock } from '../core/clock.ts';
import type { Orders, Place } from './driver.ts';
import type { Fleet } from './fleet.ts';
import { inWords } from './replace.ts';
import type { Member, Slot } from './slots.ts';

/** A machine that answers although replicas of it are silent is asked again then. */
const DOUBT_AGAIN_MS = 5_000;
/** A lost one. */
const ASK_EVERY_MS = 1_000;
/** What a machine's silence says, it says for so long; then it is asked again. */
const SILENCE_MS = 3_000;
const RETRY_MS = 250;
const RETRY_REFUSED_MS = 5_000;

/** What heartbeats say of one machine. */
interface Survey {
  readonly place: Place;
  readonly silent: Member[];
  readonly others: Member[];
}

/** Those that were never ready there say nothing. */
export function surveyOf(slots: readonly Slot[]): Survey[] {
  const places = new Map<string, Survey>();
  for (const { member } of slots) {
    const place = member?.replica.place;
    if (!member || !place || member.readySinceMs === null) continue;
    const survey = places.get(place.id) ?? { place, silent: [], others: [] };
    places.set(place.id, survey);
    (isSilent(member) ? survey.silent : survey.others).push(member);
  }
  return [...places.values()];
}

const isSilent = ({ missesInRow, refusalsInRow, silentSinceMs }: Member): boolean =>
  missesInRow > 0 && refusalsInRow === 0 && silentSinceMs !== null;

export interface Judgement {
  /**
   * The places whose replicas have all missed a heartbeat, one of them `misses` in a row, without a refusal or any other answer,
   * while half of all places have answered since: torc's own may be one that does.
   */
  readonly silent: readonly Place[];
  /** More places are silent than not: nothing is learned of them, for it may be torc that is cut off. */
  readonly isDeaf: boolean;
}

export function judge(surveys: readonly Survey[], misses: number): Judgement {
  const all = surveys.filter(({ others }) => others.length === 0);
  const isDeaf = all.length * 2 > surveys.length;
  const isOut = ({ silent }: Survey): boolean => {
    if (!silent.some(({ missesInRow }) => missesInRow >= misses)) return false;
    const sinceMs = Math.min(...silent.map(({ silentSinceMs }) => silentSinceMs!));
    const answered = surveys.filter(({ others }) => others.some(({ aliveMs }) => aliveMs >= sinceMs));
    return answered.length * 2 >= surveys.length;
  };
  return { silent: isDeaf ? [] : all.filter(isOut).map(({ place }) => place), isDeaf };
}

export interface MachinesOptions {
  readonly fleet: Fleet;
  readonly orders: Orders;
  readonly clock: Clock;
  /** Heartbeats that are missed before a replica is out, and how long each is waited for. */
  readonly pace: () => { readonly heartbeatFall: number; readonly heartbeatTimeoutMs: number };
  /** Something is known that was not: time for a step. */
  readonly onChange: () => void;
}

/** One that is doubted, or lost. */
interface Machine {
  readonly place: Place;
  isAsking: boolean;
  /** When it is asked next whether it answers. */
  askAtMs: number;
  /** It did not answer. */
  silentUntilMs: number;
  isLost: boolean;
  lostAtMs: number;
  /** Of a lost one: its replicas are not known to be made elsewhere yet: when that is tried next; Infinity: they are. */
  evacuateAtMs: number;
}

export class Machines {
  readonly #options: MachinesOptions;
  readonly #known = new Map<string, Machine>();
  #isWriting = false;
  /** When it last heard too little. */
  #deafMs = Number.NEGATIVE_INFINITY;
  #told = '';

  constructor(options: MachinesOptions) {
    this.#options = options;
  }

  /** What is listed there is not taken: nothing on it answers. */
  isLost(place: Place | undefined): boolean {
    return place !== undefined && this.#known.get(place.id)?.isLost === true;
  }

  /** At each tick: begins what is due, and waits for nothing. */
  step(): void {
    const { fleet, clock, pace } = this.#options;
    const nowMs = clock.nowMs();
    const surveys = surveyOf(fleet.slots.serving());
    this.#doubt(surveys, nowMs);
    const { heartbeatFall, heartbeatTimeoutMs } = pace();
    const { silent, isDeaf } = judge(surveys, heartbeatFall);
    if (isDeaf) this.#isDeafAt(nowMs);
    // Who has just begun to hear again needs as long as for the misses to know who does not answer.
    const isSure = nowMs - this.#deafMs >= heartbeatFall * heartbeatTimeoutMs;
    for (const { id } of silent) {
      const machine = this.#known.get(id);
      if (machine && isSure && nowMs < machine.silentUntilMs) this.#lose(machine);
    }
    for (const each of this.#known.values())
      if (each.isLost && each.askAtMs <= nowMs && !each.isAsking) void this.#ask(each);
    const due = [...this.#known.values()].find(({ evacuateAtMs }) => evacuateAtMs <= nowMs);
    if (due !== undefined && !this.#isWriting) void this.#evacuate(due);
  }

  /** What machines did not answer meanwhile says nothing. */
  #isDeafAt(nowMs: number): void {
    this.#deafMs = nowMs;
    for (const machine of this.#known.values()) {
      machine.silentUntilMs = 0;
      if (!machine.isLost) machine.askAtMs = Math.min(machine.askAtMs, nowMs + ASK_EVERY_MS);
    }
  }

  /** Machines with a silent replica are asked, and with each of them all that is needed to judge it. */
  #doubt(surveys: readonly Survey[], nowMs: number): void {
    const { fleet } = this.#options;
    const doubted = surveys.filter(({ silent }) => silent.length > 0);
    for (const [id, { isLost }] of this.#known)
      if (!isLost && !doubted.some(({ place }) => place.id === id)) this.#known.delete(id);
    for (const { place, others } of doubted) {
      const machine = this.#known.get(place.id) ?? newMachine(place);
      this.#known.set(place.id, machine);
      if (machine.isLost || machine.isAsking || nowMs < machine.askAtMs) continue;
      void this.#ask(machine);
      for (const member of others) fleet.health.askSoon(member);
      for (const survey of surveys)
        if (survey.place !== place && survey.others[0]) fleet.health.askSoon(survey.others[0]);
    }
  }

  async #ask(machine: Machine): Promise<void> {
    const { orders, clock, pace, onChange } = this.#options;
    machine.isAsking = true;
    const isSilent = await orders.isSilent(machine.place, pace().heartbeatTimeoutMs);
    machine.isAsking = false;
    const { place, isLost } = machine;
    if (this.#known.get(place.id) !== machine) return;
    const nowMs = clock.nowMs();
    machine.silentUntilMs = isSilent ? nowMs + SILENCE_MS : 0;
    machine.askAtMs = nowMs + (isLost ? ASK_EVERY_MS : isSilent ? SILENCE_MS : DOUBT_AGAIN_MS);
    if (isLost && !isSilent) {
      this.#known.delete(place.id);
      this.#tell(`machine ${place.name} answers again`, 'info');
    }
    onChange();
  }

  #lose(machine: Machine): void {
    const { fleet, orders, clock } = this.#options;
    const { place } = machine;
    const nowMs = clock.nowMs();
    machine.isLost = true;
    machine.lostAtMs = nowMs;
    machine.askAtMs = nowMs + ASK_EVERY_MS;
    if (orders.evacuate) machine.evacuateAtMs = nowMs;
    const names = fleet.lose(place, `its machine ${place.name} is lost: nothing on it answers`);
    this.#tell(`machine ${place.name} is lost: nothing on it answers (slots ${names.join(', ')})`, 'warn');
  }

  async #evacuate(lost: Machine): Promise<void> {
    const { orders, clock, onChange } = this.#options;
    const { name } = lost.place;
    this.#isWriting = true;
    try {
      const refusal = await orders.evacuate!(lost.place, lost.lostAtMs);
      lost.evacuateAtMs = refusal === null ? Number.POSITIVE_INFINITY : clock.nowMs() + RETRY_REFUSED_MS;
      this.#tell(refusal ?? `what ran on machine ${name} is made elsewhere`, 'info');
    } catch (error) {
      lost.evacuateAtMs = clock.nowMs() + RETRY_MS;
      clock.after(RETRY_MS, onChange);
      this.#tell(`what ran on machine ${name} cannot be moved yet: ${inWords(error)}`, 'warn');
    }
    this.#isWriting = false;
  }

  /** Once, however often it is tried. */
  #tell(text: string, level: 'info' | 'warn'): void {
    if (text === this.#told) return;
    this.#told = text;
    this.#options.fleet.journal.announce('machine', text, level);
  }
}

const newMachine = (place: Place): Machine => ({
  place,
  isAsking: false,
  askAtMs: 0,
  silentUntilMs: 0,
  isLost: false,
  lostAtMs: 0,
  evacuateAtMs: Number.POSITIVE_INFINITY,
});
