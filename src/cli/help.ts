// The text of `torc --help`, and of each command's own. Written from the rows of commands.ts, so that no command and no
// option is without a word; the settings, which are long, stand behind everything else.

import { type Command, commands, type Option, usageOf } from './commands.ts';

const flagOf = ({ name, value }: Option): string => `--${name}${value === '' ? '' : ` ${value}`}`;

export function helpOf(command: Command): string {
  const options = command.options.map(option => `  ${flagOf(option).padEnd(24)}${option.meaning}`);
  return [
    `${usageOf(command)} [--NAME VALUE]...`,
    '',
    `  ${command.meaning}`,
    ...(options.length === 0 ? [] : ['', ...options]),
    '',
    'Any setting may stand behind it as a flag: torc --help names them all.',
    '',
    ...command.examples.map(example => `  $ ${example}`),
  ].join('\n');
}

/** `settings`: the text about them (config/load.ts). */
export function generalHelp(settings: string): string {
  const rows = commands.map(command => `  ${usageOf(command).padEnd(30)}${command.meaning}`);
  return [
    'torc: a self-healing consistent-hash HTTP load balancer',
    '',
    'torc [COMMAND] [--NAME VALUE]...      in a clone: npm start -- [COMMAND] [--NAME VALUE]...',
    'torc --help | --version | COMMAND --help',
    '',
    ...rows,
    '',
    ...commands.flatMap(({ examples }) => examples.map(example => `  $ ${example}`)),
    '',
    settings,
  ].join('\n');
}
