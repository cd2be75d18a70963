// What a shell completes `torc` by, for bash and zsh: commands, their options, every setting as a flag, and the values of
// those that have only a few. Written from the same rows as the help, at the time somebody asks, so that it is never old.

import { fields } from '../config/fields.ts';
import { flagOf } from '../config/load.ts';
import { type Command, commands } from './commands.ts';

export const SHELLS = ['bash', 'zsh'] as const;
export type Shell = (typeof SHELLS)[number];

interface Flag {
  readonly name: string;
  /** What may stand behind it; null: anything, a file's name is offered. */
  readonly values: readonly string[] | null;
  readonly meaning: string;
}

/** Where what is allowed is a list of words. */
function valuesOf(allowed: string): readonly string[] | null {
  const words = allowed.split(', ');
  return words.length > 1 && words.every(word => /^[a-z0-9-]+$/.test(word)) ? words : null;
}

const settings: readonly Flag[] = Object.values(fields).map(({ name, allowed, meaning }) => ({
  name: flagOf(name),
  values: valuesOf(allowed),
  meaning,
}));

const flagsOf = (command: Command): readonly Flag[] => [
  ...command.options.map(({ name, meaning }) => ({ name: `--${name}`, values: null, meaning })),
  ...settings,
];

export const completionOf = (shell: Shell): string => (shell === 'bash' ? bash() : zsh());

function bash(): string {
  const valued = settings
    .filter(({ values }) => values !== null)
    .map(({ name, values }) => `    ${name}) words='${values!.join(' ')}' ;;`);
  const own = commands
    .filter(({ options }) => options.length > 0)
    .map(
      ({ name, options }) => `    ${name}) own='${options.map(option => `--${option.name}`).join(' ')}' ;;`,
    );
  return `# bash completion of torc: source <(torc completion bash)
_torc() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} words='' own=''
  case $before in
${valued.join('\n')}
    completion) words='${SHELLS.join(' ')}' ;;
    torc) [[ $word == -* ]] || words='${commands.map(({ name }) => name).join(' ')}' ;;
  esac
  case \${COMP_WORDS[1]} in
${own.join('\n')}
  esac
  if [[ -z $words && $word == -* ]]; then
    words="$own ${settings.map(({ name }) => name).join(' ')} --help --version"
  fi
  if [[ -n $words ]]; then COMPREPLY=($(compgen -W "$words" -- "$word")); else COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -F _torc torc
`;
}

function zsh(): string {
  const quoted = (text: string): string => text.replace(/'/g, "'\\''").replace(/[[\]:]/g, '\\$&');
  const spec = ({ name, values, meaning }: Flag): string =>
    `    '*${name}=[${quoted(meaning)}]:value:${values === null ? '_files' : `(${values.join(' ')})`}'`;
  const described = commands.map(({ name, meaning }) => `    '${name}:${quoted(meaning)}'`);
  const each = commands.map(
    command => `    ${command.name}) _arguments \\
${flagsOf(command)
  .map(flag => `  ${spec(flag)} \\`)
  .join('\n')}
      '*:word:${command.name === 'completion' ? `(${SHELLS.join(' ')})` : '_files'}' ;;`,
  );
  return `#compdef torc
# zsh completion of torc: torc completion zsh > a folder of $fpath, as _torc
_torc() {
  local -a torc_commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe command torc_commands
    return
  fi
  local command=start
  [[ $words[2] == -* ]] || { command=$words[2]; shift words; (( CURRENT-- )) }
  case $command in
${each.join('\n')}
  esac
}
_torc "$@"
`;
}
