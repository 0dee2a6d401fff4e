/** How large a PUBLISH of QoS 0 or 1 is on the wire, before it is sent: MQTT.js does not look at the broker's limit. */
import type { Protocol, PublishOptions } from '../ports-broker.ts';

/** The whole PUBLISH as MQTT.js writes it, bytes (MQTT 5, 3.3). */
export function publishBytes(
  protocol: Protocol,
  topic: string,
  payload: Buffer,
  qos: 0 | 1,
  { correlationData, contentType, responseTopic, messageExpiryInterval }: Omit<PublishOptions, 'qos' | 'retain'>,
): number {
  const correlation = correlationData === undefined ? 0 : 3 + correlationData.length;
  const content = contentType === undefined ? 0 : 3 + Buffer.byteLength(contentType);
  const response = responseTopic === undefined ? 0 : 3 + Buffer.byteLength(responseTopic);
  const expiry = messageExpiryInterval === undefined ? 0 : 5;
  const told = correlation + content + response + expiry;
  const properties = protocol === 5 ? lengthBytes(told) + told : 0;
  const remaining = 2 + Buffer.byteLength(topic) + 2 * qos + properties + payload.length;
  return 1 + lengthBytes(remaining) + remaining;
}

/** Bytes of a variable byte integer (MQTT 5, 1.5.5). */
function lengthBytes(value: number): number {
  return value < 2 ** 7 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 21 ? 3 : 4;
}
