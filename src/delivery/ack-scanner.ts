/**
 * Takes PUBREC and PUBCOMP of our identifiers out of the bytes that come from the broker; everything else passes on
 * unchanged and in order, to MQTT.js. It works on any splitting of the stream and holds back at most a header or one
 * short packet; a packet that is neither is never buffered.
 */
import { OWN_IDENTIFIERS } from '../limits.ts';

export interface Ack {
  readonly kind: 'pubrec' | 'pubcomp';
  readonly identifier: number;
  /** MQTT 5 reason code; 0 in MQTT 3.1.1. */
  readonly reason: number;
}

export interface Scanned {
  readonly acks: readonly Ack[];
  /** What is not ours, in order. */
  readonly rest: readonly Buffer[];
}

const PUBREC = 0x50;
const PUBCOMP = 0x70;
const HEADER_BYTES_MAX = 5;
/** An acknowledgement with a reason string and user properties; we ask brokers not to send them (MQTT 5, 3.1.2.11.7). */
const ACK_BYTES_MAX = 4096;

export class AckScanner {
  /** The start of a packet that is not yet whole: a header, or an acknowledgement. */
  #held: Buffer = Buffer.alloc(0);
  /** Bytes of a packet that is not ours, still to pass on. */
  #passing = 0;

  push(chunk: Buffer): Scanned {
    const acks: Ack[] = [];
    const rest: Buffer[] = [];
    let bytes = chunk;
    if (this.#held.length > 0) {
      bytes = Buffer.concat([this.#held, chunk]);
      this.#held = Buffer.alloc(0);
    }
    let at = 0;
    let passFrom = 0;
    const pass = (until: number): void => {
      if (until > passFrom) rest.push(bytes.subarray(passFrom, until));
    };
    while (at < bytes.length) {
      if (this.#passing > 0) {
        const step = Math.min(this.#passing, bytes.length - at);
        this.#passing -= step;
        at += step;
        continue;
      }
      const packet = packetAt(bytes, at);
      if (packet === undefined) break;
      if (!isAck(packet)) {
        this.#passing = packet.end - at;
        continue;
      }
      if (packet.end > bytes.length) break;
      const ack = decodeAck(bytes, packet);
      if (ack !== undefined) {
        pass(at);
        acks.push(ack);
        passFrom = packet.end;
      }
      at = packet.end;
    }
    pass(at);
    this.#held = Buffer.from(bytes.subarray(at));
    return { acks, rest };
  }
}

interface PacketPlace {
  readonly first: number;
  readonly bodyAt: number;
  readonly end: number;
}

/** The packet that starts at `at`, or undefined while its header is not whole. A broken length is passed on byte by byte. */
function packetAt(bytes: Buffer, at: number): PacketPlace | undefined {
  const first = bytes[at] as number;
  let length = 0;
  for (let n = 1; n < HEADER_BYTES_MAX; n += 1) {
    const byte = bytes[at + n];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** (n - 1);
    if (byte < 0x80) return { first, bodyAt: at + n + 1, end: at + n + 1 + length };
  }
  return { first: 0, bodyAt: at + 1, end: at + HEADER_BYTES_MAX };
}

function isAck(packet: PacketPlace): boolean {
  const kind = packet.first & 0xf0;
  const length = packet.end - packet.bodyAt;
  return (kind === PUBREC || kind === PUBCOMP) && length >= 2 && length <= ACK_BYTES_MAX;
}

function decodeAck(bytes: Buffer, packet: PacketPlace): Ack | undefined {
  const identifier = bytes.readUInt16BE(packet.bodyAt);
  if (identifier < 1 || identifier > OWN_IDENTIFIERS) return undefined;
  const reason = packet.end - packet.bodyAt > 2 ? (bytes[packet.bodyAt + 2] as number) : 0;
  return { kind: (packet.first & 0xf0) === PUBREC ? 'pubrec' : 'pubcomp', identifier, reason };
}
