/**
 * How long ago an event was recorded. Pure. Within one boot the uptime tells, which does not jump; else the wall clock, where
 * both stamps are worth something; and at the least the machine has been up since.
 */
import type { ClockQuality } from '../ports.ts';

/** What an event says of when it was recorded. */
export interface KeptStamp {
  readonly timeMs: number;
  readonly clock: ClockQuality;
  readonly boot: string;
  readonly uptimeMs: number;
}

export interface ThisMoment {
  readonly wallMs: number;
  readonly clock: ClockQuality;
  readonly boot: string;
  readonly uptimeMs: number;
}

export function parseStamp(payload: Buffer): KeptStamp {
  const { time, clock, boot, uptime_ms } = JSON.parse(payload.toString('utf8')) as {
    readonly time: string;
    readonly clock: ClockQuality;
    readonly boot: string;
    readonly uptime_ms: number;
  };
  return { timeMs: Date.parse(time), clock, boot, uptimeMs: uptime_ms };
}

/** Milliseconds. */
export function ageOf(stamp: KeptStamp, now: ThisMoment): number {
  if (stamp.boot === now.boot) return Math.max(0, now.uptimeMs - stamp.uptimeMs);
  const isDated = stamp.clock !== 'unknown' && now.clock !== 'unknown';
  return Math.max(now.uptimeMs, isDated ? now.wallMs - stamp.timeMs : 0);
}
