import type { Case } from './talk.ts';
export const connections: Case[] = [];
