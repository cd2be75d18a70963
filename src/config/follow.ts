// TORC_FOLLOW: which of an engine's containers are the replicas, as labels that they must all have. Compose labels what it
// makes with project, service and number, so naming a service is naming two labels, and its numbers are the slots.

import { z } from 'zod';
import type { Kind } from './kinds.ts';

export interface Follow {
  /** As it was written. */
  readonly text: string;
  /** What a container must carry, all of them. */
  readonly labels: Readonly<Record<string, string>>;
  /** Its slot is Compose's number of it. */
  readonly numbered: boolean;
}

const ALLOWED = 'compose:PROJECT/SERVICE, or label:KEY=VALUE[,KEY=VALUE...]';

export const follow: Kind<Follow> = {
  schema: z.string().transform((text, context): Follow => {
    const found = parseFollow(text.trim());
    if (found !== null) return found;
    context.addIssue({ code: 'custom', message: 'names no containers' });
    return z.NEVER;
  }),
  allowed: ALLOWED,
};

/** Null for what is neither form. Names as the Compose specification has them. */
export function parseFollow(text: string): Follow | null {
  const compose = /^compose:([a-z0-9][a-z0-9_-]*)\/([A-Za-z0-9._-]+)$/.exec(text);
  if (compose !== null) {
    const labels = {
      'com.docker.compose.project': compose[1]!,
      'com.docker.compose.service': compose[2]!,
    };
    return { text, labels, numbered: true };
  }
  if (!text.startsWith('label:')) return null;
  const labels: Record<string, string> = {};
  for (const part of text.slice('label:'.length).split(',')) {
    const match = /^\s*([^=\s]+)=(.*\S)\s*$/.exec(part);
    if (match === null) return null;
    labels[match[1]!] = match[2]!;
  }
  return { text, labels, numbered: false };
}
