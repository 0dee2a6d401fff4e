/**
 * When an anchor is due: an event that says which time it is at which uptime of this boot, so that whoever reads events
 * that were recorded by a worse clock can date them. Pure. Anchors are owed, not fired: what the bound on their number
 * holds back is judged again at the next look, and the newest then stands for all.
 */
import type { ClockQuality } from '../ports.ts';
import { isBetter, worseOf } from './quality.ts';
import { STEP_MS } from './watched-clock.ts';

/** By which clock events of this boot may have been stamped since the last anchor, or since the start. */
export interface Stamped {
  /** The worst. */
  readonly clock: ClockQuality;
  /** Wall time less uptime at the last anchor, or at the start. */
  readonly offsetMs: number;
}

export interface ClockSample {
  readonly clock: ClockQuality;
  /** The worst since the last sample. */
  readonly worst: ClockQuality;
  readonly offsetMs: number;
}

export interface DueAnchor {
  /** `better`: events before it have a worse clock; `stepped`: as good a one, that was set since. */
  readonly why: 'better' | 'stepped';
  readonly before: ClockQuality;
  /** How far the clock was moved. */
  readonly stepMs: number;
}

/** `stamped`: as it is until an anchor is in the ledger; after it, `stampedAfter`. */
export function judgeAnchor(
  before: Stamped,
  sample: ClockSample,
): { readonly stamped: Stamped; readonly due: DueAnchor | undefined } {
  const stamped = { ...before, clock: worseOf(before.clock, sample.worst) };
  const stepMs = Math.round(sample.offsetMs - before.offsetMs);
  if (sample.clock === 'unknown') return { stamped, due: undefined };
  if (isBetter(sample.clock, stamped.clock)) {
    return { stamped, due: { why: 'better', before: stamped.clock, stepMs } };
  }
  const stepped = Math.abs(stepMs) > STEP_MS;
  return { stamped, due: stepped ? { why: 'stepped', before: stamped.clock, stepMs } : undefined };
}

export function stampedAfter({ clock, offsetMs }: ClockSample): Stamped {
  return { clock, offsetMs };
}
