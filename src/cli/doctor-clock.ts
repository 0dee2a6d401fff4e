/** Whether this device's clock can be true. Pure. Certificates, event times and schedules go by it. */
import type { ClockQuality } from '../ports.ts';
import { failed, type Finding, ok } from './doctor-finding.ts';

export const SET_IT =
  'connect network time (timedatectl set-ntp true), or set the clock; without a battery it starts wrong';

/** `floorMs`: it is this late at least. */
export function clockFindings(quality: ClockQuality, nowMs: number, floorMs: number): readonly Finding[] {
  const now = new Date(nowMs).toISOString();
  if (quality === 'unknown') {
    const why = nowMs < floorMs ? `before ${new Date(floorMs).toISOString()}, which it is at least` : 'too far ahead';
    return [failed('time', `${now}: ${why}, so it was never set, or set wrong`, SET_IT)];
  }
  const how = quality === 'synced' ? 'synchronised' : 'plausible; no time service says that it keeps it';
  return [ok('time', `${now}, ${how}`)];
}
