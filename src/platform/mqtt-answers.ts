/** What the broker said, out of MQTT.js's forms into the port's: refusals as faults, messages, and the terms in CONNACK. */
import type { IConnackPacket, IPublishPacket, Packet } from 'mqtt';
import { Fault } from '../fault.ts';
import type { InboundMessage, LinkTerms } from '../ports-broker.ts';

const FIRST_REFUSAL = 0x80;
const NOT_AUTHORISED = 0x87;
const NO_SUBSCRIPTION = 0x11;

/** What MQTT.js makes of a refusing PUBACK or SUBACK: an error whose `code` is the reason code. */
export function rejectAsFault(topic: string): (error: unknown) => never {
  return (error) => {
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
    throw typeof code === 'number' ? refusal(topic, code, error) : error;
  };
}

function refusal(topic: string, code: number, cause?: unknown): Fault {
  const text = `broker: ${topic}: ${code === NOT_AUTHORISED ? 'not authorised' : `reason code 0x${code.toString(16)}`}`;
  return new Fault(code === NOT_AUTHORISED ? 'broker.forbidden' : 'broker.refused', text, { cause });
}

export function tooLarge(topic: string, bytes: number, allowed: number): Fault {
  return new Fault('broker.refused', `${topic}: a packet of ${bytes} bytes, the broker takes ${allowed} at most`);
}

/** MQTT.js hands UNSUBACK over as it came, also where it refuses. Over 3.1.1 it has no reason codes. */
export function wasSubscribed(filter: string, answer: Packet | undefined): boolean | undefined {
  const code = answer?.cmd === 'unsuback' ? answer.granted?.[0] : undefined;
  if (typeof code === 'number' && code >= FIRST_REFUSAL) throw refusal(filter, code);
  return code === undefined ? undefined : code !== NO_SUBSCRIPTION;
}

export function messageOf(topic: string, payload: Buffer, packet: IPublishPacket): InboundMessage {
  const { responseTopic, correlationData, messageExpiryInterval } = packet.properties ?? {};
  return {
    topic,
    payload,
    retained: packet.retain,
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData }),
    ...(messageExpiryInterval === undefined ? {} : { expirySeconds: messageExpiryInterval }),
  };
}

export function termsOf(connack: IConnackPacket): LinkTerms {
  const said = connack.properties;
  const maximumQos = said?.maximumQoS;
  return {
    sessionPresent: connack.sessionPresent,
    receiveMaximum: said?.receiveMaximum ?? 65_535,
    maximumPacketSize: said?.maximumPacketSize ?? Infinity,
    maximumQos: maximumQos === 0 || maximumQos === 1 ? maximumQos : 2,
    retainAvailable: said?.retainAvailable !== false,
    sessionExpirySeconds: said?.sessionExpiryInterval,
  };
}
