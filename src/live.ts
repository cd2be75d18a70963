// What follows the settings while torc runs: the parts that a reload asks, in the order in which they take what is new. Beside
// primary.ts, which starts and stops things, because this is about neither. A setting needs no entry here where whoever
// reads it asks for it each time (`settings()`); what is derived from settings, or does something when they change, has one.

import { isatty } from 'node:tty';
import { loadTokens, type Token, tokenNames } from './admin/tokens.ts';
import type { AdminListener } from './cluster/admin-listener.ts';
import type { Workers } from './cluster/workers.ts';
import type { Config } from './config/fields.ts';
import type { Part, Reloader } from './config/reload.ts';
import { Autoscaler } from './control/autoscale.ts';
import type { Supervisor } from './control/supervisor.ts';
import { systemClock } from './core/clock.ts';
import type { ProcessLog } from './core/log.ts';
import type { MadeDriver } from './drivers/create.ts';
import type { Succession } from './succession.ts';

/** The tokens in force. */
export class LiveTokens {
  tokens: readonly Token[];

  constructor({ adminToken, adminTokenFile }: Config) {
    this.tokens = loadTokens(adminToken, adminTokenFile);
  }

  readonly part: Part = ({ settings: { config } }) => {
    const tokens = loadTokens(config.adminToken, config.adminTokenFile);
    const isSame = JSON.stringify(tokens) === JSON.stringify(this.tokens);
    return {
      faults: [],
      changed: isSame ? [] : [`tokens are ${tokenNames(tokens)}`],
      apply: () => {
        this.tokens = tokens;
      },
    };
  };
}

/** Autoscaling, while TORC_MAX is set. */
export class LiveAutoscaler {
  readonly #make: (config: Config) => Autoscaler | null;
  #current: Autoscaler | null = null;
  #isRunning = false;

  constructor(make: (config: Config) => Autoscaler | null) {
    this.#make = make;
  }

  run(config: Config): void {
    this.#isRunning = true;
    this.#current = this.#make(config);
    void this.#current?.run();
  }

  close(): void {
    this.#isRunning = false;
    this.#current?.close();
  }

  readonly part: Part = ({ settings: { config } }, before) => ({
    faults: [],
    apply: () => {
      if (!this.#isRunning || boundsOf(config) === boundsOf(before)) return;
      this.close();
      this.run(config);
    },
  });
}

/** Null where TORC_MAX is not set. */
export function makeAutoscaler(config: Config, supervisor: Supervisor, workers: Workers): Autoscaler | null {
  const { least, most, scaleTarget: target } = config;
  if (most === null) return null;
  return new Autoscaler({
    scalable: supervisor,
    load: {
      inFlight: async () => {
        await workers.collect();
        const load = (slot: string): number => workers.inFlight(slot) - workers.tunnels(slot);
        return supervisor.names().reduce((sum, slot) => sum + load(slot), 0);
      },
    },
    clock: systemClock,
    bounds: { least, most, target },
    periodMs: config.scalePeriodMs,
    downWindowMs: config.scaleDownWindowMs,
  });
}

const boundsOf = ({ least, most, scaleTarget, scalePeriodMs, scaleDownWindowMs }: Config): string =>
  [least, most, scaleTarget, scalePeriodMs, scaleDownWindowMs].join();

/** As many slots as TORC_REPLICAS says by now; one change at a time, always towards the latest word. */
class Scaling {
  readonly #supervisor: Supervisor;
  #reached: number;
  #wanted: number;
  #isUnderWay = false;

  constructor(supervisor: Supervisor, count: number) {
    this.#supervisor = supervisor;
    this.#reached = count;
    this.#wanted = count;
  }

  /** What failed is tried again with the next reload. */
  async to(count: number): Promise<void> {
    this.#wanted = count;
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    while (this.#reached !== this.#wanted) {
      const wanted = this.#wanted;
      const outcome = await this.#supervisor.scaleTo(wanted);
      if (outcome.ok) this.#reached = wanted;
      else this.#supervisor.announce('scale', `TORC_REPLICAS is ${wanted} now, but ${outcome.message}`);
      if (!outcome.ok && wanted === this.#wanted) break;
    }
    this.#isUnderWay = false;
  }
}

export interface LiveParts {
  readonly config: Config;
  readonly processLog: ProcessLog;
  readonly tokens: LiveTokens;
  readonly workers: Workers;
  readonly supervisor: Supervisor;
  readonly made: MadeDriver;
  readonly adminListener: AdminListener | null;
  readonly autoscaler: LiveAutoscaler;
}

/** All but the last take settings; workers get them with the supervisor's publish. */
export function livePartsOf(live: LiveParts): Part[] {
  const { processLog, workers, supervisor, made, adminListener } = live;
  const scaling = new Scaling(supervisor, live.config.replicas);
  const control: Part = ({ settings: { config } }, before) => ({
    faults: supervisor.settingsFaults(config),
    apply: () => {
      processLog.setLevel(config.log);
      adminListener?.configure(config.headerTimeoutMs);
      workers.configure(config);
      supervisor.reconfigure(before);
    },
    begin: () => {
      if (made.driver.creates) void scaling.to(config.replicas);
    },
  });
  const replicas: Part = async ({ settings: { config }, rollout }) => {
    const { faults, version, apply } = await made.reload(
      config,
      supervisor.rolloutView()?.state === 'running',
    );
    const isAgain = version !== null && rollout.length === 0;
    return {
      faults,
      refusal: version === null ? null : supervisor.rolloutRefusal(),
      changed: isAgain ? [`${version.name} is rolled out again`] : [],
      apply,
      begin: () => {
        if (version !== null) void supervisor.rollout(version.name, version.definition);
      },
    };
  };
  return [live.tokens.part, replicas, control, live.autoscaler.part];
}

/**
 * SIGHUP: the settings are read again, as other servers do. Where torc runs in a terminal it says that the terminal is gone;
 * then torc ends as it always did. One that comes before torc is ready, or during a reload, is answered by one reload
 * afterwards, however often it came. During a replacement it is for whoever is torc afterwards.
 */
export function onHangUp(reloader: Reloader, succession: Succession): { ready(): void } {
  if (isatty(0)) return { ready: () => {} };
  let isDue = false;
  let isReady = false;
  let isRunning = false;
  const reload = async (): Promise<void> => {
    if (!isReady || isRunning) return;
    isRunning = true;
    while (isDue) {
      await reloader.settled();
      const successor = await succession.settled();
      isDue = false;
      if (successor === null) await reloader.reload('SIGHUP');
      else successor.process.kill('SIGHUP');
    }
    isRunning = false;
  };
  process.on('SIGHUP', () => {
    isDue = true;
    void reload();
  });
  return {
    ready: () => {
      isReady = true;
      void reload();
    },
  };
}
