import type { Case } from './talk.ts';
export const hopByHop: Case[] = [];
