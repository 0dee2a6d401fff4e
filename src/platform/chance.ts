/** Chance from the system: back-off jitter, session and epoch names. */
import { randomBytes } from 'node:crypto';
import type { Chance } from '../ports.ts';

export const systemChance: Chance = {
  unit: () => Math.random(),
  bytes: (count) => randomBytes(count),
};
