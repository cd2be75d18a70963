// YAML text -> plain values that know their lines. The library (yaml) reads YAML 1.2, Compose's reads it with three habits
// of 1.1, and files count on them: merge keys, numbers as Go reads them (0o17, 017 and 0b11, 1_000), and Compose's own tags
// !reset and !override, which become values here that the merge of files understands. Whole numbers are bigints, so that
// an id of twenty digits in an environment keeps its last ones.

import { createRequire } from 'node:module';
import type { CollectionTag, Document, LineCounter, Scalar, ScalarTag, YAMLMap, YAMLSeq } from 'yaml';

type Library = Pick<typeof import('yaml'), 'LineCounter' | 'parseAllDocuments' | 'Scalar'> &
  Pick<typeof import('yaml/util'), 'toJS'>;

const require = createRequire(import.meta.url);
/** 3 MB that a torc without a file does not have. */
const loadLibrary = (): Library => ({ ...require('yaml'), toJS: require('yaml/util').toJS });

/** `!reset`: what earlier files said here is taken back. */
export class Reset {}

/** `!override`: replaces what earlier files said here, where else it would be merged. */
export class Override {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

export type Path = readonly (string | number)[];

export interface YamlDocument {
  readonly value: unknown;
  /** The line of what stands at the path, or of the nearest above it that is there. */
  readonly lineOf: (path: Path) => number;
}

/** A value used in more places than this is a bomb, not a file. */
const MOST_ALIASES = 10_000;

const markTags = ({ Scalar, toJS }: Library): (ScalarTag | CollectionTag)[] => {
  class OverrideNode extends Scalar {
    override toJSON(arg?: unknown, context?: Parameters<typeof toJS>[2]): Override {
      return new Override(toJS(this.value, String(arg ?? ''), context));
    }
  }
  const reset = (): Scalar => new Scalar(new Reset());
  const override = (node: unknown): Scalar => new OverrideNode(node);
  return [
    { tag: '!reset', resolve: reset },
    { tag: '!reset', collection: 'map', resolve: reset },
    { tag: '!reset', collection: 'seq', resolve: reset },
    { tag: '!override', resolve: override },
    { tag: '!override', collection: 'map', resolve: (map: YAMLMap | YAMLSeq) => override(map) },
    { tag: '!override', collection: 'seq', resolve: (seq: YAMLMap | YAMLSeq) => override(seq) },
  ];
};

const goInteger: ScalarTag = {
  identify: value => typeof value === 'bigint',
  default: true,
  tag: 'tag:yaml.org,2002:int',
  test: /^[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|0|[1-9][0-9_]*)$/,
  resolve: text => {
    const digits = text.replace(/^[-+]/, '').replaceAll('_', '');
    const value = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
    return text.startsWith('-') ? -value : value;
  },
};

/** Every document of the text, or the faults, each with its line and column. */
export function parseYaml(text: string): YamlDocument[] | { readonly faults: readonly string[] } {
  const library = loadLibrary();
  const lines = new library.LineCounter();
  const documents = library.parseAllDocuments(text, {
    merge: true,
    intAsBigInt: true,
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    customTags: tags => [
      ...markTags(library),
      goInteger,
      ...tags.filter(tag => typeof tag === 'string' || tag.tag !== goInteger.tag),
    ],
  });
  if ('empty' in documents) return [];
  // The first of a document: those behind it are mostly its consequences.
  const faults = documents.flatMap(document =>
    [...document.errors, ...document.warnings].slice(0, 1).map(({ pos, message }) => {
      const { line, col } = lines.linePos(pos[0]);
      return `line ${line}, column ${col}: ${message.split('\n')[0]}`;
    }),
  );
  if (faults.length > 0) return { faults };
  try {
    return documents.map(document => ({
      value: document.toJS({ maxAliasCount: MOST_ALIASES }) as unknown,
      lineOf: path => lineOf(document, lines, path),
    }));
  } catch (error) {
    return { faults: [(error as Error).message] };
  }
}

function lineOf(document: Document, lines: LineCounter, path: Path): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true) as Partial<YAMLMap> | undefined;
    const pair = parent?.items?.find(
      item => String((item.key as Scalar | undefined)?.value) === String(path[length - 1]),
    );
    const node = (pair?.key ?? document.getIn(path.slice(0, length), true)) as
      | { range?: number[] }
      | undefined;
    if (node?.range !== undefined) return lines.linePos(node.range[0]!).line;
  }
  return 1;
}
