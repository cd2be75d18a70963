import type { Case } from './talk.ts';
export const responses: Case[] = [];
