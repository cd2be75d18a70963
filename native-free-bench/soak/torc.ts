// The torc of the soak: started as `npm start` does, by a settings file that reloads change, its log in a file whose size is
// watched. It is asked on its public port, as an operator would, each time over a new connection: one that is kept may be one
// with a torc that was replaced. Signals go to the process that was started, as a supervisor's would: it passes them on. Where it is
// killed another one is started at once, as a supervisor does.

import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../test/support/torc.ts';
import { waitFor } from '../../test/support/wait.ts';
import { processesOf, type TorcProcesses } from './processes.ts';
import type { Replicas } from './replicas.ts';

/** A roll-out of a command wants one. */
const TOKEN = 'soaked-for-hours-and-hours';
const ASK_AGAIN_MS = 100;
const WORKERS = 2;
/** A replacement is under way, or a change that began behind it, for which it is broken off. */
const BESIDE = /another torc|what it needs cannot be given up/;
/** What a worker says whose primary was killed, and a torc that is not whole yet. */
const AWAY = /primary is gone|torc is starting/;
/** The engine is. */
const UNREACHED = /driver does not answer/;
/** A machine that lets nobody run was too slow for a new torc, and the old one goes on, as it shall. */
const GIVEN_UP = /torc goes on as it was.*(?:not ready|does not listen) after/;
/** RestartSec of docs/systemd/torc.service. */
const START_AGAIN_MS = 1_000;
const ASK_TIMEOUT_MS = 90_000;
const CLOSE_TIMEOUT_MS = 60_000;

interface Slot {
  readonly name: string;
  readonly state: string;
  /** "pid 17". */
  readonly replica: string;
}

const headers = {
  connection: 'close',
  'content-type': 'application/json',
  authorization: `Bearer ${TOKEN}`,
};

/** Not torc's fault: refused beside another change or while torc is replaced, given up for want of time (which is told), or its worker was killed with it. */
export class Cut extends Error {
  readonly isTold: boolean;

  constructor(message: string, isTold = false) {
    super(message);
    this.isTold = isTold;
  }
}

/** Nobody is there who could answer it. */
class Away extends Error {}

export class SoakedTorc {
  readonly url: string;
  readonly replicas: Replicas;
  /** How often one was. */
  starts = 0;
  readonly #port: number;
  #child!: ChildProcess;
  readonly #folder: string;
  readonly #log: string;
  #version = 0;
  #leads: Promise<void> = Promise.resolve();

  private constructor(port: number, replicas: Replicas) {
    this.replicas = replicas;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#folder = mkdtempSync(join(tmpdir(), 'torc-soak-'));
    this.#log = join(this.#folder, 'log');
    this.write();
    this.#spawn();
  }

  #spawn(): void {
    const log = openSync(this.#log, 'a');
    this.#child = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'src', 'main.ts')], {
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        PORT: String(this.#port),
        TORC_CONFIG: join(this.#folder, 'torc.yaml'),
        TORC_STATE_DIR: this.#folder,
        TORC_ADMIN_TOKEN: TOKEN,
        ...this.replicas.env,
      },
      stdio: ['ignore', log, log],
      // Whoever stops the bench by its terminal stops it, and it stops torc.
      detached: true,
    });
    this.starts++;
    this.#child.unref();
    closeSync(log);
  }

  /** Of the process that was started last. */
  get pid(): number {
    return this.#child.pid!;
  }

  static async start(replicas: Replicas): Promise<SoakedTorc> {
    const torc = new SoakedTorc(await freePort(), replicas);
    process.on('exit', () => torc.#kill());
    await torc.isWell();
    return torc;
  }

  /**
   * Kills the primary, with the one that passes signals on to it and the one that is to replace it, and starts another. `gone`:
   * they have ended. Over when the other one leads: until then workers answer for it.
   */
  restart(gone: () => void): Promise<void> {
    this.#leads = this.#restart(gone);
    return this.#leads;
  }

  async #restart(gone: () => void): Promise<void> {
    const victims = processesOf(this.#folder).primaries.map(({ pid }) => pid);
    victims.forEach(kill);
    const haveEnded = (): boolean =>
      !processesOf(this.#folder).primaries.some(({ pid }) => victims.includes(pid));
    await waitFor(haveEnded, { timeoutMs: CLOSE_TIMEOUT_MS, what: 'a killed torc to end' });
    gone();
    this.#spawn();
    const leads = async (): Promise<boolean> => {
      // It cannot start while the engine is away: tried again, as a unit does.
      if (this.#child.exitCode !== null) {
        await new Promise(resolve => setTimeout(resolve, START_AGAIN_MS));
        this.#spawn();
      }
      return this.#askOnce('GET', '/rep').then(Boolean, () => false);
    };
    await waitFor(leads, { timeoutMs: ASK_TIMEOUT_MS, what: 'another torc to lead' });
  }

  /** To a torc that leads: one that starts reads its settings anyway, and the signal would end it. */
  async hangUp(): Promise<void> {
    await this.#leads;
    process.kill(this.pid, 'SIGHUP');
  }

  /** Other settings than before, all of which a reload changes. */
  write(): void {
    const turn = this.#version++ % 2;
    const settings = {
      ...this.replicas.settings,
      workers: WORKERS,
      replicas: 3,
      // Hung is who has been silent for so long: a soak has no half minutes for that.
      'dead-after-ms': 5_000,
      retries: 2 + turn,
      'balance-factor': turn === 0 ? 0 : 1.5,
      'client-idle-timeout-ms': 60_000 + turn,
      'max-queue': 1024 + turn,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`);
    writeFileSync(join(this.#folder, 'torc.yaml'), lines.join(''));
  }

  /** A question is asked again where the worker that had it was killed, or has no primary; of a change nobody knows then whether it was made. */
  async ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const deadlineMs = performance.now() + ASK_TIMEOUT_MS;
    for (;;) {
      try {
        return await this.#askOnce(method, path, body);
      } catch (error) {
        if (!(error instanceof TypeError || error instanceof Away)) throw error;
        if (method !== 'GET') throw new Cut(`${method} ${path}`);
        if (performance.now() > deadlineMs) throw error;
      }
      await new Promise(resolve => setTimeout(resolve, ASK_AGAIN_MS));
    }
  }

  async #askOnce(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const response = await fetch(this.url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
    const text = await response.text();
    if (response.status === 409 || (!response.ok && (BESIDE.test(text) || UNREACHED.test(text))))
      throw new Cut(`${method} ${path}: ${text}`);
    if (response.status === 503 && AWAY.test(text)) throw new Away(`${method} ${path}: ${text}`);
    if (!response.ok && GIVEN_UP.test(text)) throw new Cut(`${method} ${path}: ${text}`, true);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  async slots(): Promise<Slot[]> {
    return (await this.ask('GET', '/admin/slots')).slots as Slot[];
  }

  async metrics(): Promise<string> {
    const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
    const response = await fetch(`${this.url}/metrics`, { headers, signal });
    if (!response.ok) throw new Error(`GET /metrics: ${response.status}`);
    return response.text();
  }

  /** All slots are ready, and all workers route by the same snapshot. */
  isWell(timeoutMs = ASK_TIMEOUT_MS): Promise<void> {
    const isWell = async (): Promise<boolean> => {
      const [slots, metrics] = await Promise.all([this.slots(), this.metrics()]);
      const isCurrent = metricOf(metrics, 'torc_workers_current') === metricOf(metrics, 'torc_workers');
      return slots.length > 0 && slots.every(({ state }) => state === 'ready') && isCurrent;
    };
    return waitFor(() => isWell().catch(() => false), { timeoutMs, what: 'torc to be well' });
  }

  async hasWorkers(): Promise<boolean> {
    return metricOf(await this.metrics(), 'torc_workers') === WORKERS;
  }

  /** Without the one that was started, once another is torc: it only passes signals on. */
  get processes(): TorcProcesses {
    const { primaries, workers } = processesOf(this.#folder);
    const others = primaries.filter(({ pid }) => pid !== this.pid);
    return { primaries: others.length > 0 ? others : primaries, workers };
  }

  get logBytes(): number {
    return statSync(this.#log).size;
  }

  /** How often the log has it. */
  said(text: string): number {
    return readFileSync(this.#log, 'utf8').split(text).length - 1;
  }

  keepLog(path: string): void {
    copyFileSync(this.#log, path);
  }

  async close(): Promise<void> {
    process.kill(this.pid, 'SIGTERM');
    await waitFor(() => processesOf(this.#folder).primaries.length === 0, {
      timeoutMs: CLOSE_TIMEOUT_MS,
      what: 'torc to end',
    });
    this.#kill();
    await this.replicas.close();
  }

  #kill(): void {
    const { primaries, workers } = processesOf(this.#folder);
    for (const { pid } of [...primaries, ...workers]) kill(pid);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** The sum of a gauge's or counter's lines; `labels`: a part of them. */
export function metricOf(metrics: string, name: string, labels = ''): number {
  return metrics
    .split('\n')
    .filter(line => /^[a-z_]+/.exec(line)?.[0] === name && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
