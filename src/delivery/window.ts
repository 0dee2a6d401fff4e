/** How many QoS 2 events may be in flight at once. */
import type { LinkTerms } from '../ports.ts';

/** Of the broker's receive maximum, what QoS 1 (status, info, responses) keeps: MQTT 5, 4.9 counts both together. */
const QOS1_RESERVE = 2;

/** At least 1: a broker that allows only one publish at a time is served one at a time (DESIGN 9.1). */
export function windowOf(terms: LinkTerms, windowMax: number): number {
  return Math.max(1, Math.min(windowMax, terms.receiveMaximum - QOS1_RESERVE));
}
