// A list of key sources, as TORC_KEY says it.

import type { KeySource } from '../../src/config/fields.ts';
import { keySources } from '../../src/config/key-sources.ts';

/** Throws where one is wrong. */
export const sourcesOf = (text: string): readonly KeySource[] => keySources.schema.parse(text);
