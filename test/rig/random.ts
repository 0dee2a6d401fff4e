/** Chance of one test: its seed is printed, and taken from FIELDPOST_SEED where that is set, to see a failure again. */
import type { TestContext } from 'node:test';
import { freshSeed, type Random, seededRandom } from '../../src/workbench/random.ts';

export function testRandom(t: TestContext): Random {
  const given = process.env['FIELDPOST_SEED'];
  const random = seededRandom(given === undefined ? freshSeed() : Number(given));
  t.diagnostic(`seed ${random.seed}; again with FIELDPOST_SEED=${random.seed}`);
  return random;
}
