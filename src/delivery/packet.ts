/**
 * The bytes of the three packets that we send ourselves: PUBLISH QoS 2 and PUBREL, for MQTT 5 and 3.1.1. Everything else
 * on the connection is MQTT.js's. Packet identifiers 1 to 32768 are ours, the rest are MQTT.js's.
 */
import type { StoredEvent } from '../ledger/event.ts';
import type { Protocol } from '../ports.ts';

/** How many packet identifiers are ours: 1 to 32768. */
export const OWN_IDENTIFIERS = 32_768;

const PUBLISH_QOS2 = 0x34;
const DUP = 0x08;
const PUBREL = 0x62;
const PAYLOAD_FORMAT_UTF8 = Buffer.of(0x01, 0x01);
const CONTENT_TYPE = 'application/vnd.fieldpost.event+json';

/** An event's identifier, for ever: it survives a restart without being stored (DESIGN 8.1). */
export function identifierOf(seq: number): number {
  return 1 + ((seq - 1) % OWN_IDENTIFIERS);
}

/** PUBLISH with QoS 2. A resend differs in the DUP bit alone, so that a broker that compares bytes finds them equal. */
export function encodePublish(protocol: Protocol, topic: string, event: StoredEvent, dup: boolean): Buffer {
  const name = Buffer.from(topic, 'utf8');
  const properties = protocol === 5 ? publishProperties(event) : Buffer.alloc(0);
  const remaining = 2 + name.length + 2 + properties.length + event.payload.length;
  const length = encodeVarint(remaining);
  const packet = Buffer.allocUnsafe(1 + length.length + remaining);
  let at = packet.writeUInt8(dup ? PUBLISH_QOS2 | DUP : PUBLISH_QOS2, 0);
  at += length.copy(packet, at);
  at = packet.writeUInt16BE(name.length, at);
  at += name.copy(packet, at);
  at = packet.writeUInt16BE(identifierOf(event.seq), at);
  at += properties.copy(packet, at);
  event.payload.copy(packet, at);
  return packet;
}

/** PUBREL with reason code 0, which MQTT 5 and 3.1.1 write alike (MQTT 5, 3.6.2.1). */
export function encodePubrel(identifier: number): Buffer {
  return Buffer.of(PUBREL, 2, identifier >> 8, identifier & 0xff);
}

/** MQTT variable byte integer (MQTT 5, 1.5.5): up to 268 435 455. */
export function encodeVarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}

function publishProperties(event: StoredEvent): Buffer {
  const properties = Buffer.concat([
    PAYLOAD_FORMAT_UTF8,
    Buffer.of(0x03),
    utf8(CONTENT_TYPE),
    Buffer.of(0x26),
    utf8('epoch'),
    utf8(event.epoch),
    Buffer.of(0x26),
    utf8('seq'),
    utf8(String(event.seq)),
  ]);
  return Buffer.concat([encodeVarint(properties.length), properties]);
}

function utf8(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
