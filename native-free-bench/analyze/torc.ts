// The torc under analysis: the real one, as a child process, on a port and a Docker network of its own, so that another
// torc on this machine is neither seen nor touched. What it logs is kept only to be shown if it does not start.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { Pool } from 'undici';
import { freePort } from '../../test/support/torc.ts';
import { type ControlEvent, watchEvents } from './events.ts';

/** Requests in flight at a time in every run here: the closed loop of the assignment's "asynchronous requests". */
export const IN_FLIGHT = 64;
/** Enough that requests which wait for a hung replica never keep others from being sent. */
export const MOST_CONNECTIONS = 1024;
/** The first start on an engine without the image builds it. */
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 30_000;
const LOG_KEPT = 4000;

/** `remove` is Docker's. */
export type Fault = 'kill' | 'terminate' | 'hang' | 'remove';

const SIGNALS = { kill: 'SIGKILL', terminate: 'SIGTERM', hang: 'SIGSTOP' } as const;

export interface SlotView {
  readonly name: string;
  readonly state: string;
  readonly generation: number;
  /** A container's short id, or `pid N`. */
  readonly replica: string;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export class Torc {
  readonly url: string;
  readonly pool: Pool;
  driver = '';
  events: readonly ControlEvent[] = [];
  readonly #child: ChildProcess;
  readonly #logged: () => string;

  private constructor(url: string, child: ChildProcess, logged: () => string) {
    this.url = url;
    this.pool = new Pool(url, { connections: MOST_CONNECTIONS });
    this.#child = child;
    this.#logged = logged;
  }

  /** Starts one and waits until every slot is ready. */
  static async start(settings: Readonly<Record<string, string>>): Promise<Torc> {
    const port = await freePort();
    const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
    const own = settings.TORC_DRIVER === 'docker' ? { TORC_NETWORK: `torc-analyze-${port}` } : {};
    const env = { ...own, TORC_LOG: 'warn', ...settings };
    const child = spawn(process.execPath, [main], {
      env: { ...withoutSettings(process.env), ...env, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    const keep = (chunk: Buffer): void => {
      log = (log + chunk.toString()).slice(-LOG_KEPT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const torc = new Torc(`http://127.0.0.1:${port}`, child, () => log);
    try {
      await torc.allReady(Number(settings.TORC_REPLICAS ?? 3), START_TIMEOUT_MS);
    } catch (error) {
      await torc.stop();
      throw error;
    }
    torc.events = watchEvents(torc.pool);
    return torc;
  }

  async ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: string): Promise<Answer> {
    const json = { 'content-type': 'application/json' };
    const response = await this.pool.request({ method, path, ...(body ? { headers: json, body } : {}) });
    return { status: response.statusCode, text: await response.body.text() };
  }

  async slots(): Promise<SlotView[]> {
    const { driver, slots } = JSON.parse((await this.ask('GET', '/admin/slots')).text) as {
      driver: string;
      slots: SlotView[];
    };
    this.driver = driver;
    return slots;
  }

  /** Waits until there are `count` slots and all of them are ready. */
  async allReady(count: number, timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (performance.now() < deadlineMs) {
      if (this.#child.exitCode !== null) throw new Error(`torc ended:\n${this.#logged()}`);
      const slots = await this.slots().catch(() => []);
      if (slots.length === count && slots.every(slot => slot.state === 'ready')) return;
      await sleep(20);
    }
    throw new Error(`${count} slots were not ready within ${timeoutMs} ms:\n${this.#logged()}`);
  }

  /** Grows or shrinks to `count` slots through /add and /rm, as an operator would. */
  async resize(count: number): Promise<void> {
    const { length } = await this.slots();
    if (length === count) return;
    const grows = count > length;
    const body = JSON.stringify({ n: Math.abs(count - length), hostnames: [] });
    const answer = await this.ask(grows ? 'POST' : 'DELETE', grows ? '/add' : '/rm', body);
    if (answer.status !== 200) throw new Error(`${length} to ${count} slots: ${answer.text}`);
    await this.allReady(count, START_TIMEOUT_MS);
  }

  /** Does to a slot's replica what the world does: torc is not told. */
  async strike(slotName: string, fault: Fault): Promise<void> {
    const slot = (await this.slots()).find(({ name }) => name === slotName);
    if (slot === undefined) throw new Error(`no slot ${slotName}`);
    const container = new Docker().getContainer(slot.replica);
    if (fault === 'remove') await container.remove({ force: true });
    else if (this.driver === 'docker' && fault === 'hang') await container.pause();
    else if (this.driver === 'docker') await container.kill({ signal: SIGNALS[fault] });
    else process.kill(Number(slot.replica.replace(/^pid /, '')), SIGNALS[fault]);
  }

  async stop(): Promise<void> {
    await this.pool.destroy();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    this.#child.kill('SIGTERM');
    await gone;
    clearTimeout(killer);
  }
}

/** The shell's own torc settings must not change what is measured. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith('TORC_') && name !== 'PORT' && name !== 'HOST'),
  );
}
