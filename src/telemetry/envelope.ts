/**
 * The telemetry payload of DESIGN section 4: `time` is that of the oldest reading in it, and each reading gives its own
 * offset from there, counted on the monotonic clock, so a clock that jumps can not put them in another order.
 */
import type { ClockQuality } from '../ports.ts';
import type { SampledReading } from './sample-window.ts';

export interface SampleStamp {
  readonly sensor: string;
  /** Now, on the wall clock and on the monotonic one. */
  readonly wallMs: number;
  readonly monotonicMs: number;
  readonly clock: ClockQuality;
}

/** `readings` is not empty. A field without a unit has `null`. */
export function encodeSamples(readings: readonly SampledReading[], stamp: SampleStamp): Buffer {
  const oldestMs = Math.min(...readings.map((reading) => reading.atMs));
  const text = JSON.stringify({
    v: 1,
    time: new Date(Math.round(stamp.wallMs - (stamp.monotonicMs - oldestMs))).toISOString(),
    clock: stamp.clock,
    sensor: stamp.sensor,
    readings: readings.map(({ name, value, unit, atMs }) => [name, value, unit ?? null, Math.round(atMs - oldestMs)]),
  });
  return Buffer.from(text, 'utf8');
}
