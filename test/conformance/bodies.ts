import type { Case } from './talk.ts';
export const bodies: Case[] = [];
