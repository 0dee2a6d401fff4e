/**
 * What a broker takes of a will: a broker without retained messages or QoS 1 can say so only by refusing CONNECT
 * (MQTT-3.2.2-12, MQTT-3.2.2-13; emqx #16781, rmqtt #460). The next CONNECT asks for less, until the broker has what we want.
 */
import type { LinkOpening } from '../ports-broker.ts';

const RETAIN_NOT_SUPPORTED = 0x9a;
const QOS_NOT_SUPPORTED = 0x9b;

export interface WillTerms {
  readonly willQos: 0 | 1;
  readonly willRetain: boolean;
}

export const FULL_WILL: WillTerms = { willQos: 1, willRetain: true };

/** The will for the next CONNECT; undefined: the full one. */
export function willAfter(will: WillTerms, opening: LinkOpening): WillTerms | undefined {
  if (opening.kind === 'up') {
    const { retainAvailable, maximumQos } = opening.link.terms;
    return retainAvailable && maximumQos > 0 ? undefined : will;
  }
  const { code } = opening.end;
  if (code === RETAIN_NOT_SUPPORTED && will.willRetain) return { ...will, willRetain: false };
  if (code === QOS_NOT_SUPPORTED && will.willQos > 0) return { ...will, willQos: 0 };
  return will;
}
