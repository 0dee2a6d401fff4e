/**
 * The bytes of the three packets that we send ourselves: PUBLISH QoS 2 and PUBREL, for MQTT 5 and 3.1.1. Everything else
 * on the connection is MQTT.js's.
 */
import type { StoredEvent } from '../ledger/event.ts';
import { EVENT_IDENTIFIERS, REPLAY_IDENTIFIERS } from '../limits.ts';
import type { Protocol } from '../ports-broker.ts';

const PUBLISH_QOS2 = 0x34;
const DUP = 0x08;
const PUBREL = 0x62;
const PAYLOAD_FORMAT_UTF8 = Buffer.of(0x01, 0x01);
const CONTENT_TYPE = 'application/vnd.fieldpost.event+json';

/** An event's identifier, for ever: it survives a restart without being stored (DESIGN 8.1). */
export function identifierOf(seq: number): number {
  return 1 + ((seq - 1) % EVENT_IDENTIFIERS);
}

/** The identifier of an event that is sent again after it was handed over or dead. */
export function replayIdentifierOf(seq: number): number {
  return EVENT_IDENTIFIERS + 1 + ((seq - 1) % REPLAY_IDENTIFIERS);
}

/** PUBLISH with QoS 2. A resend differs in the DUP bit alone, so that a broker that compares bytes finds them equal. */
export function encodePublish(
  protocol: Protocol,
  topic: string,
  event: StoredEvent,
  identifier: number,
  dup: boolean,
): Buffer {
  const { payload, seq } = event;
  const { name, properties } = constantsOf(topic, event.epoch);
  const number = String(seq);
  const propertyBytes = protocol === 5 ? properties.length + 2 + number.length : 0;
  const remaining =
    name.length + 2 + (protocol === 5 ? varintBytes(propertyBytes) + propertyBytes : 0) + payload.length;
  const packet = Buffer.allocUnsafe(1 + varintBytes(remaining) + remaining);
  packet[0] = dup ? PUBLISH_QOS2 | DUP : PUBLISH_QOS2;
  let at = writeVarint(packet, remaining, 1);
  at += name.copy(packet, at);
  at = packet.writeUInt16BE(identifier, at);
  if (protocol === 5) {
    at = writeVarint(packet, propertyBytes, at);
    at += properties.copy(packet, at);
    at = packet.writeUInt16BE(number.length, at);
    at += packet.write(number, at, 'latin1');
  }
  payload.copy(packet, at);
  return packet;
}

/** PUBREL with reason code 0, which MQTT 5 and 3.1.1 write alike (MQTT 5, 3.6.2.1). */
export function encodePubrel(identifier: number): Buffer {
  return Buffer.of(PUBREL, 2, identifier >> 8, identifier & 0xff);
}

/** MQTT variable byte integer (MQTT 5, 1.5.5): up to 268 435 455. */
export function encodeVarint(value: number): Buffer {
  const bytes = Buffer.alloc(varintBytes(value));
  writeVarint(bytes, value, 0);
  return bytes;
}

/** Returns where it ends. */
function writeVarint(target: Buffer, value: number, at: number): number {
  let rest = value;
  let end = at;
  for (; rest > 0x7f; end += 1) {
    target[end] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[end] = rest;
  return end + 1;
}

function varintBytes(value: number): number {
  if (value < 128) return 1;
  if (value < 16_384) return 2;
  return value < 2_097_152 ? 3 : 4;
}

/** What is the same in every event of a stream: the topic, and the properties up to the number of the event. */
interface Constants {
  readonly name: Buffer;
  readonly properties: Buffer;
}

/** A device has a handful of streams; made anew for each event they were a third of all that a sender allocates. */
const CONSTANTS_MAX = 64;
const constants = new Map<string, Constants>();

function constantsOf(topic: string, epoch: string): Constants {
  const key = `${epoch} ${topic}`;
  const known = constants.get(key);
  if (known !== undefined) return known;
  if (constants.size >= CONSTANTS_MAX) constants.clear();
  const made = {
    name: utf8(topic),
    properties: Buffer.concat([
      PAYLOAD_FORMAT_UTF8,
      Buffer.of(0x03),
      utf8(CONTENT_TYPE),
      Buffer.of(0x26),
      utf8('epoch'),
      utf8(epoch),
      Buffer.of(0x26),
      utf8('seq'),
    ]),
  };
  constants.set(key, made);
  return made;
}

function utf8(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
