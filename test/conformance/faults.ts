import type { Case } from './talk.ts';
export const faults: Case[] = [];
