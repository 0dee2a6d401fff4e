/** How many QoS 2 events may be in flight at once. */
import { QOS1_IN_FLIGHT_MAX } from '../limits.ts';
import type { LinkTerms, Protocol } from '../ports-broker.ts';

/** MQTT 3.1.1 can not say a limit, and Mosquitto 2.0.11 drops a 3.1.1 client above its `max_inflight_messages` (20). */
const RECEIVE_MAXIMUM_OF_311 = 20;

/** At least 1: a broker that allows only one publish at a time is served one at a time (DESIGN 9.1). */
export function windowOf(terms: LinkTerms, protocol: Protocol, windowMax: number): number {
  const receiveMaximum = protocol === 5 ? terms.receiveMaximum : RECEIVE_MAXIMUM_OF_311;
  return Math.max(1, Math.min(windowMax, receiveMaximum - QOS1_IN_FLIGHT_MAX));
}
