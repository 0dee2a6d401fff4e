/**
 * A scale that speaks MT-SICS (Mettler-Toledo Standard Interface Command Set, level 0): goods are put on it and taken off,
 * and its weight wavers for a while before it is stable.
 */
import type { Random } from '../random.ts';
import { askedMeter, lineLength, type SimulatedFrame, type VirtualMeter } from './meter.ts';
import { fixedText } from './wander.ts';

/** Answers until the weight rests after a change. */
const RESTLESS = 4;

export function sicsScale(random: Random): VirtualMeter {
  let grams = 0;
  let restless = 0;
  let tare = 0;
  const weigh = (): SimulatedFrame => {
    if (restless === 0 && random.unit() < 0.1) {
      grams = random.unit() < 0.3 ? 0 : random.whole(20, 30_000);
      restless = RESTLESS;
    }
    const stable = restless === 0;
    const shown = grams - tare + (stable ? 0 : random.whole(-9, 9));
    restless = Math.max(0, restless - 1);
    const weight = fixedText(shown, 3);
    const status = stable ? 'S' : 'D';
    const bytes = Buffer.from(`S ${status} ${weight.padStart(10)} kg\r\n`);
    return { bytes, truth: { status, weight, unit: 'kg' } };
  };
  return askedMeter(lineLength, (line) => {
    switch (line.toString('latin1').trim()) {
      case 'SI':
        return [weigh()];
      case 'S':
        // Waits for a stable weight; here it comes to rest at once.
        restless = 0;
        return [weigh()];
      case 'Z':
        tare = grams;
        return [{ bytes: Buffer.from('Z A\r\n') }];
      case '@':
        return [{ bytes: Buffer.from('I4 A "0123456789"\r\n') }];
      default:
        return [{ bytes: Buffer.from('ES\r\n') }];
    }
  });
}
