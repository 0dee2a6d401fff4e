/** Why a sensor that was looked at gave no reading, and what its counters say. Pure. */
import type { SensorCounters } from '../sensor/sensor.ts';
import { countText } from './reading-text.ts';

/** Told in words already. */
const HIDDEN = ['samples', 'accepted'];

/** `why`: how the sensor itself sees it, and what its bytes look like. */
export function verdictText(counters: SensorCounters, why: string): string {
  return `no reading (${routesText(counters) ?? why})`;
}

/** Undefined: no frame got as far as the routes, or they have nothing against it. */
function routesText(counters: SensorCounters): string | undefined {
  const { frames, invalid, unrouted, outOfRange, unusable, flagged, noEvent } = counters;
  if (frames <= invalid) return undefined;
  if (unrouted > 0) return 'frames are decoded, but no route takes them: look at `when`';
  if (outOfRange + unusable + flagged > 0) return 'values are out of range, or not what their fields say';
  if (noEvent > 0) return 'frames make no event: a field is missing, or not what it should be';
  return undefined;
}

/** Those that are not 0; bytes and frames in any case. */
export function countersText({ bytes, frames, ...others }: SensorCounters): string {
  const shown = Object.entries(others).filter(([name, count]) => count !== 0 && !HIDDEN.includes(name));
  return [
    countText(bytes, 'byte'),
    countText(frames, 'frame'),
    ...shown.map(([name, count]) => `${name} ${count}`),
  ].join(', ');
}
