import type { Case } from './talk.ts';
export const forwarding: Case[] = [];
