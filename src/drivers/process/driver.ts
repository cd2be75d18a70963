// The process driver: replicas as child processes of this machine, for where no Docker engine answers. Each leads a
// process group of its own, so that a shell command's children end with it and a Ctrl-C at torc's terminal does not
// reach them before they are drained. Records on disk (records.ts) let the next torc adopt them after a SIGKILL; before
// one is adopted or signalled, pid and start time are compared, so a pid that was given out again is never touched.
// A child's end is an event of node's; an adopted one is nobody's child here, so a cheap poll watches it.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync } from 'node:fs';
import type { Driver, DriverEvent, Listening, Replica, ReplicaSpec } from '../../control/driver.ts';
import { programPath } from '../../core/installation.ts';
import type { Log } from '../../core/log.ts';
import { asOwnGroup } from '../../core/own-group.ts';
import type { Random } from '../../core/random.ts';
import { expandText, type SlotWords } from '../../service/expand.ts';
import { type ProcessSurroundings, surroundingsOf } from '../../service/process.ts';
import type { ComposeService } from '../../service/service.ts';
import { DEMO_PROGRAM } from '../demo.ts';
import { listenersOfGroup, listeningOf } from '../listening.ts';
import { StateDirectory } from '../state.ts';
import { groupIsEmpty, signalGroup, waitUntil } from './group.ts';
import { observe } from './identity.ts';
import { choosePort, withPortAdvice } from './port.ts';
import {
  boundOutput,
  lastWords,
  openOutput,
  outputMark,
  type ProcessRecord,
  readRecords,
  removeRecord,
  writeRecord,
} from './records.ts';
import { resolveUser, type UserIds } from './user.ts';

const HOST = '127.0.0.1';
/** How often adopted replicas and the size of all output are looked at: one small read each. */
const POLL_MS = 200;
/** SIGKILL acts at once, unless the kernel is stuck in I/O for the process. */
const KILL_TIMEOUT_MS = 5_000;

const bundledReplica = programPath('replica');

const NO_SERVICE: ComposeService = { command: null, entrypoint: null };

/** The settings of a replica. */
export interface ProcessWords {
  /** A shell command line, or null for the bundled replica; {{slot}}, {{generation}} and {{port}} may stand in it. */
  readonly command: string | null;
  /** What else a Compose service says of the process. */
  readonly service: ComposeService | null;
}

interface Definition extends ProcessWords {
  /** null: as torc itself. */
  readonly user: UserIds | null;
}

interface Run {
  /** Of its files. */
  readonly name: string;
  record: ProcessRecord;
  /** What it was made of; of an adopted one, what would be made now. */
  readonly definition: Definition;
  readonly adopted: boolean;
  /** In plain words, once it has ended. */
  ended: string | null;
  /** The end of its output, once it has ended. */
  words: string;
  stopping: boolean;
}

export interface ProcessDriverOptions {
  readonly command: string | null;
  readonly service?: ComposeService | null;
  /** Told what a roll-out has succeeded with; `isSetting`: it is what the settings say by now. */
  readonly remember?: (version: string, isSetting: boolean) => void;
  /** Names what this torc owns; two torcs of one scope exclude each other. */
  readonly scope: string;
  /** Where records of what runs are kept (drivers/state.ts). */
  readonly stateRoot: string;
  readonly log: Log;
  readonly random: Random;
}

export class ProcessDriver implements Driver {
  readonly name = 'process';
  readonly creates = true;
  program: string;
  readonly #options: ProcessDriverOptions;
  readonly #state: StateDirectory;
  /** By replica id. */
  readonly #runs = new Map<string, Run>();
  /** Ports of starts on their way. */
  readonly #portsTaken = new Set<number>();
  #onEvent: (event: DriverEvent) => void = () => {};
  #poll: NodeJS.Timeout | null = null;
  /** What replicas are made of where nothing else is said. */
  #definition: Definition;

  constructor(options: ProcessDriverOptions) {
    this.#options = options;
    const { command, service = null } = options;
    this.program = command ?? DEMO_PROGRAM;
    this.#definition = { command, service, user: null };
    this.#state = new StateDirectory(
      options.stateRoot,
      `process-${options.scope}`,
      `the replicas of ${options.scope}`,
    );
  }

  async open(onEvent: (event: DriverEvent) => void): Promise<void> {
    this.#definition = await this.define(this.#definition);
    await this.#state.open();
    this.#onEvent = onEvent;
    const records = readRecords(this.#state.path);
    const living = await observe([...records.values()].map(record => record.pid));
    for (const [name, record] of records) {
      if (living.get(record.pid)?.startTime === record.startTime) {
        this.#runs.set(idOf(record), {
          name,
          record,
          definition: this.#definition,
          adopted: true,
          ended: null,
          words: '',
          stopping: false,
        });
      } else {
        removeRecord(this.#state.path, name);
      }
    }
    this.#nameOthers();
    this.#schedulePoll();
  }

  /** What other settings say a replica is, to be rolled out. Throws in plain words. */
  async define({ command, service }: ProcessWords): Promise<Definition> {
    const user = service?.user;
    return { command, service, user: user === undefined ? null : await resolveUser(user) };
  }

  /** What an earlier run left goes on as it is, also where the settings say another command now. */
  #nameOthers(): void {
    const command = this.#definition.command ?? '';
    const others = [...this.#runs.values()].filter(({ record }) => (record.command ?? '') !== command);
    if (others.length === 0) return;
    this.#options.log.warn(
      { slots: others.map(({ record }) => record.slot), runs: others[0]!.record.command ?? '' },
      `${others.length} replicas of an earlier run are taken over as they are: they run another command; POST /admin/rollout replaces them`,
    );
  }

  async list(): Promise<readonly Replica[]> {
    const runs = [...this.#runs.values()];
    const living = await observe(runs.filter(run => run.ended === null).map(run => run.record.pid));
    return runs.map(run => this.#replicaOf(run, living.get(run.record.pid)?.paused === true));
  }

  async start(spec: ReplicaSpec): Promise<Replica> {
    const definition = (spec.definition ?? this.#definition) as Definition;
    const line = spec.definition === undefined ? (spec.version ?? definition.command) : definition.command;
    const port = await this.#takePort();
    try {
      const name = `${spec.slot}-g${spec.generation}-${randomBytes(3).toString('hex')}`;
      const child = await this.#spawn(name, spec, port, line, definition);
      const pid = child.pid!;
      const startTime = (await observe([pid])).get(pid)?.startTime ?? 'ended';
      const record: ProcessRecord = {
        pid,
        startTime,
        port,
        slot: spec.slot,
        generation: spec.generation,
        spare: spec.spare,
        command: line ?? '',
      };
      writeRecord(this.#state.path, name, record);
      const run: Run = { name, record, definition, adopted: false, ended: null, words: '', stopping: false };
      this.#runs.set(idOf(record), run);
      if (child.exitCode !== null || child.signalCode !== null)
        this.#onEnd(run, child.exitCode, child.signalCode);
      else child.once('exit', (code, signal) => this.#onEnd(run, code, signal));
      return this.#replicaOf(run, false);
    } finally {
      this.#portsTaken.delete(port);
    }
  }

  async stop(replica: Replica, graceMs: number): Promise<void> {
    const run = this.#runs.get(replica.id);
    if (run === undefined) return;
    run.stopping = true;
    const { pid } = run.record;
    if (await this.#isOurs(run)) {
      signalGroup(pid, surroundings(run.definition, run.record).stopSignal);
      signalGroup(pid, 'SIGCONT'); // one that is paused must wake up to hear the first
      await waitUntil(() => groupIsEmpty(pid), graceMs);
      signalGroup(pid, 'SIGKILL');
      // Adopted by a process 1 that does not clear up, the dead one stays as a zombie: its group is never empty.
      const gone = await waitUntil(
        async () => groupIsEmpty(pid) || !(await this.#isOurs(run)),
        KILL_TIMEOUT_MS,
      );
      if (!gone) throw new Error(`process ${pid} does not end, ${KILL_TIMEOUT_MS} ms after SIGKILL`);
    }
    this.#runs.delete(replica.id);
    removeRecord(this.#state.path, run.name);
  }

  async lastWords(replica: Replica): Promise<string> {
    const run = this.#runs.get(replica.id);
    if (run === undefined) return '';
    return run.ended === null ? lastWords(this.#state.path, run.name) : run.words;
  }

  async outputMark(replica: Replica): Promise<string> {
    const run = this.#runs.get(replica.id);
    return run === undefined ? '' : outputMark(this.#state.path, run.name);
  }

  async listens({ id, port }: Replica): Promise<Listening> {
    const run = this.#runs.get(id);
    const isAlive = run !== undefined && run.ended === null;
    return listeningOf(port, isAlive ? await listenersOfGroup(run.record.pid) : null);
  }

  async assign(replica: Replica, spec: ReplicaSpec): Promise<Replica> {
    const run = this.#runs.get(replica.id);
    if (run === undefined || run.ended !== null) throw new Error(`replica ${replica.label} has ended`);
    run.record = { ...run.record, slot: spec.slot, generation: spec.generation, spare: spec.spare };
    writeRecord(this.#state.path, run.name, run.record);
    return this.#replicaOf(run, false);
  }

  remember(version: string, definition?: object): void {
    this.program = version;
    if (definition !== undefined) this.#definition = definition as Definition;
    this.#options.remember?.(version, definition !== undefined);
  }

  async close({ remove }: { remove: boolean }): Promise<void> {
    if (this.#poll !== null) clearTimeout(this.#poll);
    this.#poll = null;
    if (remove)
      await Promise.all([...this.#runs.values()].map(run => this.stop(this.#replicaOf(run, false), 0)));
    this.#runs.clear();
    this.#state.close();
  }

  async #takePort(): Promise<number> {
    const taken = new Set(this.#portsTaken);
    for (const run of this.#runs.values()) if (run.ended === null) taken.add(run.record.port);
    const port = await choosePort(HOST, taken, this.#options.random);
    if (this.#portsTaken.has(port)) return this.#takePort();
    this.#portsTaken.add(port);
    return port;
  }

  #replicaOf(run: Run, paused: boolean): Replica {
    const { stopGraceMs } = surroundings(run.definition, run.record);
    return { ...replicaOf(run, paused), ...(stopGraceMs === null ? {} : { stopGraceMs }) };
  }

  #spawn(
    name: string,
    { slot, generation }: ReplicaSpec,
    port: number,
    line: string | null,
    definition: Definition,
  ): Promise<ChildProcess> {
    const words = { slot, generation, port };
    const { env: own, folder } = surroundings(definition, words);
    if (folder !== null && !existsSync(folder))
      throw new Error(`cannot start a process: working_dir ${folder} is not there`);
    const output = openOutput(this.#state.path, name);
    const env = { ...cleanEnvironment(process.env), HOST, SERVER_ID: slot, ...own, PORT: String(port) };
    const options = {
      env,
      detached: true,
      stdio: ['ignore', output, output] as ['ignore', number, number],
      ...(folder === null ? {} : { cwd: folder }),
      ...definition.user,
    };
    const command = line === null ? null : expandText(line, words);
    return new Promise((resolve, reject) => {
      const child = asOwnGroup(() =>
        command === null
          ? spawn(process.execPath, [bundledReplica], options)
          : spawn(command, { ...options, shell: true }),
      );
      closeSync(output);
      child.once('spawn', () => {
        child.unref();
        resolve(child);
      });
      child.once('error', error => {
        removeRecord(this.#state.path, name);
        reject(new Error(`cannot start a process: ${error.message}`, { cause: error }));
      });
    });
  }

  #onEnd(run: Run, code: number | null, signal: NodeJS.Signals | null): void {
    // Closed: another torc looks after it.
    if (run.ended !== null || !this.#runs.has(idOf(run.record))) return;
    const words = lastWords(this.#state.path, run.name);
    run.words = withPortAdvice(words, run.record.port);
    const how = signal !== null ? `killed by ${signal}` : code !== null ? `exit code ${code}` : 'it ended';
    run.ended = words === '' || run.stopping ? how : `${how}: ${words.split('\n').at(-1)}`;
    this.#options.log.debug(
      { slot: run.record.slot, pid: run.record.pid, how, output: words },
      'a replica process ended',
    );
    if (!run.stopping) {
      signalGroup(run.record.pid, 'SIGKILL'); // what the command's shell left behind
      removeRecord(this.#state.path, run.name);
    }
    this.#onEvent({
      kind: 'gone',
      replicaId: idOf(run.record),
      cause: `process ${run.record.pid} ended, ${run.ended}`,
    });
  }

  /** Whether its pid still names the process that the record means. */
  async #isOurs(run: Run): Promise<boolean> {
    if (run.ended !== null) return false;
    return (await observe([run.record.pid])).get(run.record.pid)?.startTime === run.record.startTime;
  }

  #schedulePoll(): void {
    this.#poll = setTimeout(() => {
      void this.#look().then(() => {
        if (this.#poll !== null) this.#schedulePoll();
      });
    }, POLL_MS).unref();
  }

  async #look(): Promise<void> {
    const runs = [...this.#runs.values()].filter(run => run.ended === null);
    try {
      for (const run of runs) boundOutput(this.#state.path, run.name);
      const adopted = runs.filter(run => run.adopted);
      const living = await observe(adopted.map(run => run.record.pid));
      for (const run of adopted) {
        if (living.get(run.record.pid)?.startTime !== run.record.startTime) this.#onEnd(run, null, null);
      }
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'cannot look after the replica processes');
    }
  }
}

/** What the service says of the process of this slot. */
const surroundings = ({ service }: Definition, words: SlotWords): ProcessSurroundings =>
  surroundingsOf(service ?? NO_SERVICE, words);

const idOf = (record: ProcessRecord): string => `${record.pid}:${record.startTime}`;

function replicaOf(run: Run, paused: boolean): Replica {
  const { slot, generation, spare, port, pid, command = '' } = run.record;
  const status = run.ended !== null ? 'stopped' : paused ? 'paused' : 'running';
  const replica: Replica = {
    id: idOf(run.record),
    slot,
    generation,
    spare,
    status,
    host: HOST,
    port,
    label: `pid ${pid}`,
    image: command,
  };
  return run.ended === null ? replica : { ...replica, ended: run.ended };
}

/**
 * Of torc's own environment what any program needs to run: where programs, files and the user's home are, language and
 * time zone. The rest is torc's, and may hold secrets that are none of a replica's business.
 */
const PASSED_ON =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|SystemRoot|TEMP|TMP|PATHEXT|ComSpec)$/i;

const cleanEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => PASSED_ON.test(name)));
