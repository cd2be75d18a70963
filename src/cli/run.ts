// Carries out a command that is not `start`: settings as for a start, one question to the running torc (or none), an answer
// for people, and an exit code for scripts: 0 done, 1 torc refused it or is not well, 2 wrong arguments or settings.

import type { z } from 'zod';
import type { explanation, rollout, slots, status } from '../admin/schemas.ts';
import { addressesOf } from '../config/addresses.ts';
import type { Config } from '../config/fields.ts';
import { loadConfig } from '../config/load.ts';
import { systemClock } from '../core/clock.ts';
import { hostPort } from '../core/host-port.ts';
import { lookAtFiles } from './check.ts';
import { ask, faultOf, messageOf, type Question } from './client.ts';
import type { CommandLine } from './command-line.ts';
import { completionOf, SHELLS } from './completion.ts';
import { type Target, targetAt, targetOf, tokenFor } from './target.ts';
import { explainText, rolloutText, statusText, weightText } from './texts.ts';

export interface Around {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Null where there is no such file. */
  readonly readFile: (path: string) => string | null;
  readonly nowMs: () => number;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const DONE = 0;
const REFUSED = 1;
const WRONG = 2;

type Work = (line: CommandLine, around: Around) => Promise<number>;

const works: Readonly<Record<string, Work>> = {
  check: async (line, around) => check(line, around),
  completion: async (line, around) => completion(line, around),
  status: withTarget(showStatus),
  explain: withTarget(explain),
  rollout: withTarget(rollOut),
  weight: withTarget(weigh),
  reload: withTarget(asking('/admin/reload')),
  replace: withTarget(asking('/admin/replace')),
};

export const runCommand: Work = (line, around) => works[line.command.name]!(line, around);

function check(line: CommandLine, around: Around): number {
  const loaded = loadConfig(around.env, line.settings, around);
  if (loaded.kind === 'faults') return wrong(around, loaded.faults);
  const { config } = loaded;
  const { faults, notes } = lookAtFiles(config, systemClock);
  if (faults.length > 0) return wrong(around, faults);
  for (const { level, text } of [...loaded.notes, ...notes]) around.out(`${level}: ${text}\n`);
  around.out(
    `the settings are valid: ${addressesOf(config)
      .map(({ host, port }) => hostPort(host, port))
      .join(', ')}, driver ${config.driver}\n`,
  );
  return DONE;
}

function completion({ operand }: CommandLine, around: Around): number {
  const shell = SHELLS.find(name => name === operand);
  if (shell === undefined)
    return wrong(around, [
      `torc completion: "${operand}" is no shell that it knows; allowed: ${SHELLS.join(', ')}`,
    ]);
  around.out(completionOf(shell));
  return DONE;
}

interface Asking {
  readonly line: CommandLine;
  readonly around: Around;
  readonly target: Target;
  /** Answer as text; null where it failed, and why has been told. */
  readonly ask: (question: Question) => Promise<string | null>;
}

function withTarget(work: (asking: Asking) => Promise<number>): Work {
  return async (line, around) => {
    const target = findTorc(line, around);
    if (Array.isArray(target)) return wrong(around, target);
    const asked = async (question: Question): Promise<string | null> => {
      const outcome = await ask(target, question);
      const fault = outcome.kind === 'fault' ? outcome.fault : await faultOf(target, question, outcome);
      if (fault === null && outcome.kind === 'answer') return outcome.text;
      around.err(`torc ${line.command.name}: ${fault}\n`);
      return null;
    };
    return work({ line, around, target, ask: asked });
  };
}

/** Faults where the settings, or --url, do not say where. */
function findTorc(line: CommandLine, around: Around): Target | string[] {
  const loaded = loadConfig(around.env, line.settings, around);
  const [url] = line.options.get('url') ?? [];
  if (loaded.kind === 'faults') return [...loaded.faults];
  const token = tokenOf(loaded.config, around);
  const target = url === undefined ? targetOf(loaded.config, token) : targetAt(url, token);
  return typeof target === 'string' ? [target] : target;
}

function tokenOf({ adminToken, adminTokenFile }: Config, { readFile }: Around): string | null {
  try {
    return tokenFor(adminToken, adminTokenFile === null ? null : readFile(adminTokenFile));
  } catch {
    return null; // not for this user: torc says that a token is wanted
  }
}

async function showStatus({ line, around, target, ask: asked }: Asking): Promise<number> {
  const text = await asked({ method: 'GET', path: '/admin/status' });
  if (text === null) return REFUSED;
  const now = JSON.parse(text) as z.infer<typeof status>;
  const code = now.replicas.ready === now.replicas.of && now.replicas.of > 0 ? DONE : REFUSED;
  if (line.options.has('json')) {
    around.out(`${text.trimEnd()}\n`);
    return code;
  }
  const each = await asked({ method: 'GET', path: '/admin/slots' });
  if (each === null) return REFUSED;
  const page = statusText(now, JSON.parse(each) as z.infer<typeof slots>, target.url, around.nowMs());
  around.out(`${page}\n`);
  return code;
}

async function explain({ line, around, ask: asked }: Asking): Promise<number> {
  const operand = line.operand!;
  if (operand === '' || /[^!-~]|&/.test(operand)) {
    const what = 'a key as a request carries it (%20 for a space), or a path with its query';
    if (!operand.startsWith('/') || /[^!-~]/.test(operand))
      return wrong(around, [`torc explain: "${operand}" is no such thing; allowed: ${what}`]);
  }
  const words = operand.startsWith('/') ? [`target=${encodeURIComponent(operand)}`] : [`key=${operand}`];
  for (const name of ['header', 'ip', 'body'])
    for (const value of line.options.get(name) ?? []) words.push(`${name}=${encodeURIComponent(value)}`);
  const text = await asked({ method: 'GET', path: `/admin/explain?${words.join('&')}` });
  if (text === null) return REFUSED;
  return show(line, around, text, () => explainText(JSON.parse(text) as z.infer<typeof explanation>));
}

async function rollOut({ line, around, ask: asked }: Asking): Promise<number> {
  const question = await rolloutQuestion(line, asked);
  const text = question === null ? null : await asked(question);
  if (text === null) return REFUSED;
  return show(line, around, text, () => rolloutText(JSON.parse(text) as z.infer<typeof rollout>));
}

/** An image, or a command where replicas are processes. */
async function rolloutQuestion(
  { operand, options }: CommandLine,
  asked: Asking['ask'],
): Promise<Question | null> {
  const path = '/admin/rollout';
  if (options.has('stop')) return { method: 'DELETE', path };
  if (operand === null) return { method: 'GET', path };
  const text = await asked({ method: 'GET', path: '/admin/status' });
  if (text === null) return null;
  const { driver } = JSON.parse(text) as z.infer<typeof status>;
  const slots = options.get('slot');
  const what = driver.name === 'process' ? { command: operand } : { image: operand };
  const body = slots === undefined ? what : { ...what, slots };
  return { method: 'POST', path, body, isLong: true };
}

async function weigh({ line, around, ask: asked }: Asking): Promise<number> {
  const [, slot = '', word = ''] = /^(.+)=(default|\d{1,3}(?:\.\d{1,2})?)$/.exec(line.operand!) ?? [];
  if (slot === '')
    return wrong(around, [
      `torc weight: "${line.operand}" is no such thing; allowed: SLOT=WEIGHT, the weight 0 to 256 with two decimals at most, or "default"`,
    ]);
  const weight = word === 'default' ? null : Number(word);
  const path = `/admin/slots/${encodeURIComponent(slot)}/weight`;
  const text = await asked({ method: 'PUT', path, body: { weight } });
  if (text === null) return REFUSED;
  return show(line, around, text, () => weightText(JSON.parse(text) as z.infer<typeof slots>, slot));
}

/** One that answers when it is done. */
function asking(path: string): (asking: Asking) => Promise<number> {
  return async ({ line, around, ask: asked }) => {
    const text = await asked({ method: 'POST', path, isLong: true });
    if (text === null) return REFUSED;
    return show(line, around, text, () => messageOf(text) ?? text.trimEnd());
  };
}

function show(line: CommandLine, { out }: Around, text: string, forPeople: () => string): number {
  out(`${line.options.has('json') ? text.trimEnd() : forPeople()}\n`);
  return DONE;
}

function wrong({ err }: Around, faults: readonly string[]): number {
  err(faults.map(fault => `${fault}\n`).join(''));
  return WRONG;
}
