/** Whether this device's clock can be true. Pure. Certificates, event times and schedules go by it. */
import type { ClockQuality } from '../ports.ts';
import { failed, type Finding, ok, warning } from './doctor-finding.ts';

/** No build of this software is in use for longer: what is later is a clock gone wrong. */
const PLAUSIBLE_YEARS = 20;
const YEAR_MS = 365.25 * 86_400_000;
export const SET_IT =
  'connect network time (timedatectl set-ntp true), or set the clock; without a battery it starts wrong';

/** `builtMs`: a time before which this software can not have been running. */
export function clockFindings(quality: ClockQuality, nowMs: number, builtMs: number): readonly Finding[] {
  const now = new Date(nowMs).toISOString();
  if (quality === 'unknown' || nowMs < builtMs) {
    return [failed('time', `${now}: before this software was built, so it was never set`, SET_IT)];
  }
  if (nowMs > builtMs + PLAUSIBLE_YEARS * YEAR_MS) return [warning('time', `${now}: too far ahead to be true`, SET_IT)];
  const how = quality === 'synced' ? 'synchronised' : 'plausible; systemd-timesyncd does not say that it keeps it';
  return [ok('time', `${now}, ${how}`)];
}
