// Arguments -> a command with its operand and options, and the flags that are settings, which config/load.ts reads as it
// reads them for a start. Pure: a fault is a line that says what is wrong and what is allowed.

import { parseArgs } from 'node:util';
import { nearest } from '../core/nearest.ts';
import { type Command, commands, usageOf } from './commands.ts';

export interface CommandLine {
  readonly kind: 'command';
  readonly command: Command;
  readonly operand: string | null;
  /** Values of an option, in their order; [''] for a switch. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  /** The rest: settings as flags. */
  readonly settings: readonly string[];
}

export type Read =
  | CommandLine
  | { readonly kind: 'help'; readonly command: Command | null }
  | { readonly kind: 'version' }
  | { readonly kind: 'fault'; readonly fault: string };

/** `argv` without node and the script. */
export function readCommandLine(argv: readonly string[]): Read {
  const [first = ''] = argv;
  const isNamed = first !== '' && !first.startsWith('-');
  const command = commands.find(({ name }) => name === (isNamed ? first : 'start'));
  if (command === undefined) return fault(unknownCommand(first));
  const rest = isNamed ? argv.slice(1) : argv;
  const own = new Map(command.options.map(option => [option.name, option]));
  const options = new Map<string, string[]>();
  const operands: string[] = [];
  const settings: string[] = [];
  for (const token of tokensOf(rest, command)) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      operands.push(token.value);
      continue;
    }
    if (token.name === 'help' || token.name === 'h')
      return { kind: 'help', command: isNamed ? command : null };
    if (token.name === 'version' || token.name === 'v') return { kind: 'version' };
    const option = own.get(token.name);
    if (option === undefined) {
      settings.push(token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`);
      continue;
    }
    if (option.value !== '' && token.value === undefined)
      return fault(`${token.rawName}: has no value; allowed: ${option.value}`);
    if (option.isRepeated !== true && options.has(option.name))
      return fault(`${token.rawName}: is there twice; allowed: once`);
    options.set(option.name, [...(options.get(option.name) ?? []), token.value ?? '']);
  }
  const wrong = operandFault(command, operands);
  if (wrong !== null) return fault(wrong);
  return { kind: 'command', command, operand: operands[0] ?? null, options, settings };
}

/** A value of a setting stands behind its flag: whatever is no switch takes one. */
function tokensOf(args: readonly string[], command: Command) {
  const flags = args.flatMap(arg => /^--([a-z][a-z0-9-]*)$/.exec(arg)?.[1] ?? []);
  const switches = new Set(['help', 'version']);
  for (const { name, value } of command.options) if (value === '') switches.add(name);
  const options = Object.fromEntries(
    flags.map(name => [name, { type: switches.has(name) ? ('boolean' as const) : ('string' as const) }]),
  );
  return parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function operandFault(command: Command, operands: readonly string[]): string | null {
  const [, second] = operands;
  const one = command.operand === '' ? operands[0] : second;
  if (one !== undefined)
    return `${one.slice(0, 80)}: is not a flag; allowed: ${usageOf(command)} [--NAME VALUE]... (torc ${command.name} --help)`;
  if (command.needsOperand && operands.length === 0)
    return `torc ${command.name}: needs ${command.operand}: ${command.examples[0]}`;
  return null;
}

function unknownCommand(name: string): string {
  const names = commands.map(command => command.name);
  const near = nearest(name, names);
  const hint = near === null ? `allowed: ${names.join(', ')}` : `did you mean ${near}?`;
  return `${name.slice(0, 80)}: is no command of torc; ${hint}`;
}

const fault = (text: string): Read => ({ kind: 'fault', fault: text });
