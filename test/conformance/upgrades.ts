import type { Case } from './talk.ts';
export const upgrades: Case[] = [];
