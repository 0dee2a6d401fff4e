/**
 * A household's electricity, with panels on the roof, and its gas: power wanders, registers are its sum and only rise.
 * What the virtual electricity meters have in common.
 */
import type { Random } from '../random.ts';
import { wander } from './wander.ts';

export interface Consumption {
  /** Watts; one of the two is 0. */
  readonly importW: number;
  readonly exportW: number;
  /** Watt-hours, of the low and of the normal tariff. */
  readonly importWh: readonly [low: number, normal: number];
  readonly exportWh: readonly [low: number, normal: number];
  readonly tariff: 'low' | 'normal';
  /** Tenths of a volt, of each phase. */
  readonly voltage: readonly [number, number, number];
  /** Hundredths of a hertz. */
  readonly frequency: number;
  /** Litres. */
  readonly gas: number;
}

const MS_PER_HOUR = 3_600_000;

/** Each call moves on to that time; a time before the last one leaves the registers as they are. */
export function household(random: Random): (atMs: number) => Consumption {
  const power = wander(random, { low: -3000, high: 5000, step: 150 });
  const volts = ([0, 1, 2] as const).map(() => wander(random, { low: 2240, high: 2360, step: 4 }));
  const frequency = wander(random, { low: 4990, high: 5010, step: 1 });
  const burning = wander(random, { low: 0, high: 1500, step: 100 });
  // Watts and litres per hour, times milliseconds: whole numbers up to 9e15, four hundred years at full load.
  const imported = startRegisters(random);
  const exported = startRegisters(random);
  let gas = random.whole(100_000, 9_000_000) * MS_PER_HOUR;
  let lastMs: number | undefined;
  return (atMs) => {
    const passedMs = Math.max(0, atMs - (lastMs ?? atMs));
    lastMs = Math.max(atMs, lastMs ?? atMs);
    const watts = power();
    const hour = Math.floor(atMs / MS_PER_HOUR) % 24;
    const tariff = hour < 7 || hour >= 23 ? 'low' : 'normal';
    const register = tariff === 'low' ? 0 : 1;
    (watts >= 0 ? imported : exported)[register] += Math.abs(watts) * passedMs;
    gas += burning() * passedMs;
    return {
      importW: Math.max(0, watts),
      exportW: Math.max(0, -watts),
      importWh: wattHours(imported),
      exportWh: wattHours(exported),
      tariff,
      voltage: [volts[0]?.() ?? 0, volts[1]?.() ?? 0, volts[2]?.() ?? 0],
      frequency: frequency(),
      gas: Math.floor(gas / MS_PER_HOUR),
    };
  };
}

type Registers = [number, number];

function startRegisters(random: Random): Registers {
  return [random.whole(0, 900_000) * MS_PER_HOUR, random.whole(0, 900_000) * MS_PER_HOUR];
}

function wattHours([low, normal]: Registers): Registers {
  return [Math.floor(low / MS_PER_HOUR), Math.floor(normal / MS_PER_HOUR)];
}
