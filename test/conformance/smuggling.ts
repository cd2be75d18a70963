import type { Case } from './talk.ts';
export const smuggling: Case[] = [];
