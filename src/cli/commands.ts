// What `torc` can be told to do: one row per command, from which its arguments are read, its help is written and the
// shells' completions are made. Without a command torc starts, so that `torc --replicas 5` and `npm start` stay what they are.

export interface Option {
  readonly name: string;
  /** What stands behind it; '' for a switch. */
  readonly value: string;
  readonly meaning: string;
  readonly isRepeated?: true;
}

export interface Command {
  readonly name: string;
  /** What stands behind the command; '' where nothing may. */
  readonly operand: string;
  readonly needsOperand: boolean;
  readonly meaning: string;
  readonly options: readonly Option[];
  readonly examples: readonly string[];
}

const url: Option = {
  name: 'url',
  value: 'URL',
  meaning:
    'where the running torc answers; without it, as its settings say (the same file, environment and flags)',
};
const json: Option = { name: 'json', value: '', meaning: 'the answer as torc gave it' };

export const commands: readonly Command[] = [
  {
    name: 'start',
    operand: '',
    needsOperand: false,
    meaning: 'serves until it is told to stop (the same as no command)',
    options: [],
    examples: ['torc --upstreams 10.0.0.1:80,10.0.0.2:80', 'torc --compose compose.yaml --service web'],
  },
  {
    name: 'check',
    operand: '',
    needsOperand: false,
    meaning: 'are the settings, and the files that they name, valid? exit code 0, or 2 with every fault',
    options: [],
    examples: ['torc check --config torc.yaml'],
  },
  {
    name: 'status',
    operand: '',
    needsOperand: false,
    meaning: 'each slot, and why one is out; exit code 0 where all are ready, else 1',
    options: [json, url],
    examples: ['torc status', 'torc status --json --url http://10.0.0.7:5000'],
  },
  {
    name: 'explain',
    operand: 'KEY|/PATH',
    needsOperand: true,
    meaning: 'which slot serves a key or a request, and why',
    options: [
      {
        name: 'header',
        value: 'NAME:VALUE',
        meaning: "a field of the request's, as often as needed",
        isRepeated: true,
      },
      { name: 'ip', value: 'ADDRESS', meaning: "the client's address" },
      { name: 'body', value: 'TEXT', meaning: "the request's body, where the key is read from it" },
      json,
      url,
    ],
    examples: ['torc explain 7', "torc explain '/cart?id=7' --header 'cookie:sid=abc'"],
  },
  {
    name: 'rollout',
    operand: 'IMAGE|COMMAND',
    needsOperand: false,
    meaning:
      'replaces all replicas by another version, slot by slot; without one: how the last roll-out went',
    options: [
      {
        name: 'slot',
        value: 'NAME',
        meaning: 'of this slot alone, as often as needed: a canary',
        isRepeated: true,
      },
      { name: 'stop', value: '', meaning: 'stops the one under way where it is' },
      json,
      url,
    ],
    examples: ['torc rollout app:2', 'torc rollout app:2 --slot 1', 'torc rollout --stop'],
  },
  {
    name: 'weight',
    operand: 'SLOT=WEIGHT',
    needsOperand: true,
    meaning:
      'how much of the keys a slot gets: 0 (drained) to 256, or "default" for what it was before anybody said',
    options: [json, url],
    examples: ['torc weight 3=0', 'torc weight 1=0.05', 'torc weight 3=default'],
  },
  {
    name: 'reload',
    operand: '',
    needsOperand: false,
    meaning: 'has the running torc read its settings and files again',
    options: [json, url],
    examples: ['torc check && torc reload'],
  },
  {
    name: 'replace',
    operand: '',
    needsOperand: false,
    meaning:
      'has another torc take over from the running one, without a lost connection: for a new version, Node or address',
    options: [json, url],
    examples: ['torc check && torc replace'],
  },
  {
    name: 'completion',
    operand: 'bash|zsh',
    needsOperand: true,
    meaning: 'prints what a shell completes commands and flags by',
    options: [],
    examples: ['source <(torc completion bash)', 'torc completion zsh > ~/.zfunc/_torc'],
  },
];

/** "torc rollout [IMAGE|COMMAND]". */
export const usageOf = ({ name, operand, needsOperand }: Command): string =>
  ['torc', name, operand === '' ? '' : needsOperand ? operand : `[${operand}]`].filter(Boolean).join(' ');
